"""Matrices from files and results into them."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse

__all__ = ["READABLE", "WRITABLE", "read_matrix", "read_vectors", "write_array"]

READABLE = (".mtx", ".mtx.gz", ".mtx.bz2", ".npy", ".npz")
WRITABLE = (".npy", ".mtx", ".txt")


def read_matrix(path: Path) -> Any:
    """A matrix from a file: Matrix Market (also compressed), ``.npy``, or ``.npz`` with one array or a sparse array.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray or csr_array
        Sparse where the file is.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    ValueError
        The file is none of these, or is damaged.
    """
    name = path.name.lower()
    if not name.endswith(READABLE):
        raise ValueError(f"{path} has none of the known endings {', '.join(READABLE)}")
    try:
        if name.endswith(".npy"):
            matrix = np.load(path, allow_pickle=False)
        else:
            matrix = _read_npz(path) if name.endswith(".npz") else scipy.io.mmread(path, spmatrix=False)
    except OSError as error:
        raise type(error)(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, TypeError, OverflowError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if matrix.ndim not in (1, 2) or 0 in matrix.shape:
        raise ValueError(f"{path} holds no matrix but an array of shape {matrix.shape}")
    return scipy.sparse.csr_array(matrix) if scipy.sparse.issparse(matrix) else matrix


def read_vectors(path: Path) -> np.ndarray:
    """Right-hand sides (d,) or (d, k) from a file: as `read_matrix`, or numbers in ``.txt``; one column is a vector.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray

    Raises
    ------
    OSError, ValueError
        As `read_matrix`.
    """
    if path.suffix.lower() == ".txt":
        try:
            block = np.loadtxt(path, ndmin=1)
        except ValueError as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
    else:
        block = read_matrix(path)
        block = block.toarray() if scipy.sparse.issparse(block) else np.asarray(block)
    return block[:, 0] if block.ndim == 2 and block.shape[1] == 1 else block


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a result as ``.npy``, Matrix Market or text, by the ending of its name.

    Parameters
    ----------
    path : Path
    array : ndarray, shape (d,) or (d, k)

    Raises
    ------
    OSError
        The file cannot be written.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        np.save(path, array)
    elif kind == ".mtx":
        with path.open("wb") as stream:
            scipy.io.mmwrite(stream, array[:, None] if array.ndim == 1 else array, precision=17)
    else:
        np.savetxt(path, array, fmt="%.17g")


def _read_npz(path: Path) -> Any:
    """The sparse array that `scipy.sparse.save_npz` wrote, or the only array that `numpy.savez` did."""
    with np.load(path, allow_pickle=False) as archive:
        if "format" not in archive.files:
            if len(archive.files) != 1:
                raise ValueError(f"it holds {len(archive.files)} arrays, {', '.join(archive.files)}; one is needed")
            return archive[archive.files[0]]
    return scipy.sparse.csr_array(scipy.sparse.load_npz(path))
