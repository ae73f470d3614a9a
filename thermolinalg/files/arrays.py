"""NumPy's own formats, whose headers are checked before anything is allocated."""

from __future__ import annotations

import math
import zipfile
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse

from thermolinalg.files.bounded import counted, file_size, refuse_beyond, shown

__all__ = ["load_npy", "load_npz"]

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

INDICES = {"shape", "indices", "indptr", "row", "col", "coords", "offsets"}
"""Members of an archive with a sparse array that have to be integers."""


def load_npy(file: BinaryIO, limit: int) -> np.ndarray:
    """The array of a ``.npy`` file."""
    _check_header(file, file_size(file), limit)
    file.seek(0)
    return np.asarray(np.load(file, allow_pickle=False))


def load_npz(file: BinaryIO, limit: int) -> Any:
    """The sparse array that `scipy.sparse.save_npz` wrote, or the only array that `numpy.savez` did."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        refuse_beyond(limit, sum(member.file_size for member in members), "the archive unpacks to")
        dtypes = {}
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{member.filename} is compressed as NumPy never does")
            with archive.open(member) as stream:
                name = member.filename.removesuffix(".npy")
                dtypes[name] = _check_header(stream, member.file_size, limit)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        if len(members) == 1:
            return arrays[arrays.files[0]]
    if "format" not in dtypes:
        raise ValueError(f"it holds {counted(len(members), 'array')} ({', '.join([*dtypes][:5])}); one is needed")
    file.seek(0)
    return _sparse(file, dtypes)


def _check_header(stream: BinaryIO, size: int, limit: int) -> np.dtype[Any]:
    """What a header promises must be numbers, within the limit, and as long as the `size` bytes of the whole say."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in HEADERS:
            raise ValueError(f"version {version[0]}.{version[1]} of the format is not for plain numbers")
        shape, _, dtype = HEADERS[version](stream)
    except Exception as error:  # Python's parser raises nearly anything on a damaged header
        raise ValueError(f"its header is damaged ({str(error).splitlines()[0]})") from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled; save an array of numbers")
    if dtype.kind not in "biufcSU" or dtype.itemsize == 0:
        raise ValueError(f"it holds {dtype}; an array of numbers is needed")
    if any(length < 0 for length in shape):
        raise ValueError(f"its header gives the shape {shape}")
    needed, given = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if needed != given:
        raise ValueError(f"its header gives the shape {shape}, which takes {needed} bytes, but {given} follow")
    refuse_beyond(limit, needed, f"the array of shape {shape} takes")
    return dtype


def _sparse(file: BinaryIO, dtypes: dict[str, np.dtype[Any]]) -> Any:
    """A sparse array whose indices lie within it: SciPy's compiled code follows them unseen."""
    for name, dtype in dtypes.items():
        if name in INDICES and dtype.kind not in "iu":
            raise ValueError(f"{name} of its sparse array has to hold integers, not {dtype}")
    try:
        A = scipy.sparse.load_npz(file)
    except Exception as error:  # KeyError, AttributeError, TypeError where arrays are missing or of another kind
        raise ValueError(f"it holds no sparse array as SciPy writes it ({shown(str(error))})") from None
    if hasattr(A, "check_format"):
        A.check_format(full_check=True)
    return A
