"""Matrices and right-hand sides from files, by the ending of the name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg.files.arrays import load_npy, load_npz
from thermolinalg.files.bounded import LIMIT, LONGEST_LINE, named, opened, refuse_beyond
from thermolinalg.files.matrix_market import load_matrix_market
from thermolinalg.files.tables import load_table

__all__ = ["READABLE", "load_matrix", "load_vectors"]

READABLE = (".mtx", ".mtx.gz", ".mtx.bz2", ".npy", ".npz", ".txt", ".csv")


def load_matrix(path: str | os.PathLike[str], *, limit: int = LIMIT, longest_line: int = LONGEST_LINE) -> Any:
    r"""A matrix from a file.

    Parameters
    ----------
    path : str or path-like
        Matrix Market (``.mtx``, also ``.mtx.gz`` and ``.mtx.bz2``); ``.npy``; ``.npz`` with one array, or a
        sparse one; numbers in lines (``.txt``, ``.csv``), apart by white space or commas, ``#`` or ``%``
        before comments.
    limit : int, optional
        Most bytes of the file, unpacked, and of the array. What is larger is refused before memory is taken.
    longest_line : int, optional
        Most characters of a line of text.

    Returns
    -------
    ndarray or scipy.sparse.csr_array
        Sparse where the file is. Entries of a coordinate file for one place are added; those of a pattern are 1.

    Raises
    ------
    OSError
        There is no such file, or it is a folder, a pipe or a device, or cannot be read.
    ValueError
        The file is none of these, is damaged, too large, or holds no numbers; for text with the number of the line.
        Nothing is unpickled.

    See Also
    --------
    load_vectors, parse_number, text_lines, shown : Reading files and numbers of users.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "A.csv"
    >>> _ = file.write_text("# two rows\n2, 1\n1, 3\n")
    >>> load_matrix(file)
    array([[2., 1.],
           [1., 3.]])
    """
    name = os.fspath(path)
    ending = next((ending for ending in READABLE if name.lower().endswith(ending)), None)
    if ending is None:
        raise ValueError(f"{name} has none of the known endings {', '.join(READABLE)}")
    with named(path), opened(path, limit) as file:
        if ending == ".npy":
            matrix = load_npy(file, limit)
        elif ending == ".npz":
            matrix = load_npz(file, limit)
        elif ending in (".txt", ".csv"):
            matrix = load_table(file, name, limit, longest_line)
        else:
            matrix = load_matrix_market(file, name, limit, longest_line)
        if matrix.ndim not in (1, 2) or 0 in matrix.shape or matrix.dtype.kind not in "biufc":
            raise ValueError(f"it holds no matrix but an array of {matrix.dtype}, shape {matrix.shape}")
        if isinstance(matrix, np.ndarray):
            return matrix
        if matrix.format != "csr":
            refuse_beyond(limit, 8 * (matrix.shape[0] + 1), f"as rows the shape {matrix.shape} takes")
        rows = scipy.sparse.csr_array(matrix)
        rows.sum_duplicates()
        return rows


def load_vectors(path: str | os.PathLike[str], *, limit: int = LIMIT, longest_line: int = LONGEST_LINE) -> np.ndarray:
    """Right-hand sides from a file.

    Parameters
    ----------
    path : str or path-like
        As of `load_matrix`.
    limit, longest_line : int, optional
        As of `load_matrix`.

    Returns
    -------
    ndarray, shape (d,) or (d, k)
        One column is a vector, and so is one line of a text file.

    Raises
    ------
    OSError, ValueError
        As `load_matrix`.

    See Also
    --------
    parse_number, text_lines, shown, load_matrix : Reading files and numbers of users.
    """
    block = load_matrix(path, limit=limit, longest_line=longest_line)
    if scipy.sparse.issparse(block):
        with named(path):
            size = block.dtype.itemsize * block.shape[0] * block.shape[1]
            refuse_beyond(limit, size, f"as a dense array the shape {block.shape} takes")
        block = block.toarray()
    if block.ndim == 2 and (block.shape[1] == 1 or (len(block) == 1 and Path(path).suffix in (".txt", ".csv"))):
        return np.asarray(block.ravel())
    return np.asarray(block)
