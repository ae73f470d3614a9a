"""Results into files: written beside, then put in place at once; never over an input, nor unasked over anything."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy.io

__all__ = ["WRITABLE", "check_output", "replacing", "save_array"]

WRITABLE = (".npy", ".mtx", ".txt", ".csv")

Name = str | os.PathLike[str]


def check_output(path: Name, *, inputs: Iterable[Name] = (), force: bool = False) -> None:
    """Refuse an output that could not be written, before anything is computed for it.

    Parameters
    ----------
    path : str or path-like
        Where the output is to go.
    inputs : iterable of str or path-like, optional
        Files that must not be overwritten, under whatever name.
    force : bool, optional
        Whether another existing file may be replaced.

    Raises
    ------
    OSError
        The folder is missing or cannot be written to; the output is a folder, a pipe or a device; it is one of the
        inputs, or it exists and may not be replaced (FileExistsError).

    See Also
    --------
    save_array, replacing : Writing files so that nothing is lost.

    Examples
    --------
    >>> check_output("no/such/folder/x.npy")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no/such/folder/x.npy cannot be written: there is no folder no/such/folder
    """
    with _named(path):
        target = Path(os.path.realpath(path))
        status = _status(target)
        if status is None and os.path.islink(path) and not force:
            raise FileExistsError("it is a link to a file that does not exist; pass force=True to create that")
        if status is not None:
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError("it is a folder")
            if not stat.S_ISREG(status.st_mode):
                raise OSError("it is no regular file but a pipe or a device")
            for name in inputs:
                if os.path.exists(name) and os.path.samefile(name, target):
                    raise FileExistsError(f"it is the input {os.fspath(name)}; give another name")
            if not force:
                raise FileExistsError("it exists; pass force=True to replace it")
            if not os.access(target, os.W_OK):
                raise PermissionError("it is write-protected")
        if not target.parent.is_dir():
            folder = target.parent if os.path.islink(path) else Path(path).parent
            raise FileNotFoundError(f"there is no folder {folder}")
        trial = _beside(target)  # permissions alone do not tell of protected mounts, quotas and foreign file systems
        try:
            trial.touch(exist_ok=False)
        finally:
            trial.unlink(missing_ok=True)


@contextmanager
def replacing(path: Name, *, force: bool = False) -> Iterator[BinaryIO]:
    """A stream to a file that appears, whole, when the block ends; after an error or an interrupt nothing is left.

    Parameters
    ----------
    path : str or path-like
        Where the file goes. A link stays, and what it points to is replaced.
    force : bool, optional
        Whether an existing file is replaced.

    Yields
    ------
    binary stream
        To a file in the same folder, with a random name.

    Raises
    ------
    OSError
        As `check_output`, or a full disk; the message names the file.

    See Also
    --------
    check_output, save_array : Writing files so that nothing is lost.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "x.txt"
    >>> with replacing(file) as stream:
    ...     _ = stream.write(b"done")
    >>> file.read_bytes()
    b'done'
    """
    check_output(path, force=force)
    target = Path(os.path.realpath(path))
    beside = _beside(target)
    try:
        with _named(path):
            with open(beside, "xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            _move(beside, target, force)
    finally:
        beside.unlink(missing_ok=True)


def save_array(path: Name, array: np.ndarray, *, force: bool = False) -> None:
    """Write an array as ``.npy``, Matrix Market, or lines of numbers (``.txt``, ``.csv``), by the ending of the name.

    Parameters
    ----------
    path : str or path-like
        Where it goes, whole or not at all.
    array : ndarray, shape (d,) or (d, k)
        Numbers.
    force : bool, optional
        Whether an existing file is replaced.

    Raises
    ------
    OSError
        As `replacing`.
    ValueError
        An unknown ending.

    See Also
    --------
    replacing, check_output : Writing files so that nothing is lost.
    """
    kind = Path(path).suffix.lower()
    if kind not in WRITABLE:
        raise ValueError(f"{os.fspath(path)} has none of the known endings {', '.join(WRITABLE)}")
    with replacing(path, force=force) as stream:
        if kind == ".npy":
            # Into bytes first: written to a file itself, NumPy does not say why a write failed.
            np.lib.format.write_array(_Written(stream), array, allow_pickle=False)
        elif kind == ".mtx":
            scipy.io.mmwrite(stream, array[:, None] if array.ndim == 1 else array, precision=17)
        else:
            np.savetxt(stream, array, fmt="%.17g", delimiter="," if kind == ".csv" else " ")


class _Written:
    """A stream that can only be written to, so that NumPy does not go past it to the file."""

    def __init__(self, stream: BinaryIO) -> None:
        self.write = stream.write


@contextmanager
def _named(path: Name) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise type(error)(f"{os.fspath(path)} cannot be written: {error.strerror or error}") from None


def _beside(target: Path) -> Path:
    """A name in the same folder that nothing has."""
    return target.with_name(f".{secrets.token_hex(8)}.part")


def _status(target: Path) -> os.stat_result | None:
    try:
        return target.stat()
    except FileNotFoundError:
        return None


def _move(beside: Path, target: Path, force: bool) -> None:
    """Give the file its name at once, and make that last."""
    if force:
        with contextlib.suppress(FileNotFoundError):
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        beside.replace(target)
    else:
        try:
            target.hardlink_to(beside)  # which, unlike renaming, never replaces what has appeared meanwhile
        except FileExistsError:
            raise FileExistsError("it has appeared meanwhile; pass force=True to replace it") from None
        except OSError:  # a file system without links
            if target.exists():
                raise
            beside.replace(target)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
