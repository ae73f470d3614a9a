"""NumPy's own formats, whose headers are checked before anything is allocated."""

from __future__ import annotations

import math
import os
import zipfile
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse

from thermolinalg.files.bounded import refuse_beyond

__all__ = ["load_npy", "load_npz"]

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_npy(file: BinaryIO, limit: int) -> np.ndarray:
    """The array of a ``.npy`` file."""
    _check_header(file, os.fstat(file.fileno()).st_size, limit)
    file.seek(0)
    return np.asarray(np.load(file, allow_pickle=False))


def load_npz(file: BinaryIO, limit: int) -> Any:
    """The sparse array that `scipy.sparse.save_npz` wrote, or the only array that `numpy.savez` did."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        refuse_beyond(limit, sum(member.file_size for member in members), "the archive unpacks to")
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{member.filename} is compressed as NumPy never does")
            with archive.open(member) as stream:
                _check_header(stream, member.file_size, limit)  # type: ignore[arg-type]
    names = [member.filename.removesuffix(".npy") for member in members]
    file.seek(0)
    if "format" in names:
        return _checked(scipy.sparse.load_npz(file))
    if len(names) != 1:
        raise ValueError(f"it holds {len(names)} arrays ({', '.join(names[:5])}); one is needed")
    with np.load(file, allow_pickle=False) as archive:
        return archive[names[0]]


def _check_header(stream: BinaryIO, size: int, limit: int) -> None:
    """What a header promises must be numbers, within the limit, and as long as the `size` bytes of the whole say."""
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"version {version[0]}.{version[1]} of the format is for named fields; numbers are needed")
    try:
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
    refuse_beyond(limit, needed, f"its header gives the shape {shape}, which takes")
    if needed != given:
        raise ValueError(f"its header gives the shape {shape}, which takes {needed} bytes, but {given} follow")


def _checked(A: Any) -> Any:
    """The sparse array, if its indices lie within it: SciPy's compiled code follows them unseen."""
    if hasattr(A, "check_format"):
        A.check_format(full_check=True)
    return A
