"""A long search in a file: what was computed before it was interrupted is read there, and not computed again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
import scipy.sparse as sp

from thermolinalg.files import check_output

__all__ = ["Journal"]


class Journal:
    """The steps of a search whose way depends on nothing but their results and a random generator.

    As a context it opens the file, and removes it when the search has come to its end; one that an exception leaves
    stays. Every step is on disk before the next begins.

    Parameters
    ----------
    path : str or path, optional
        Of the file; where it exists, its steps are read. Without one nothing is kept.
    asked : sequence
        What the search depends on: arrays, sparse arrays, mappings, numbers, texts. A file of anything else is refused.
    rng : numpy.random.Generator
        Set to where the file's stood.
    progress : bool, optional
        Whether to show a bar.

    Raises
    ------
    ValueError
        A file of another search, or that is none of this kind.
    OSError
        A file that cannot be written.

    Examples
    --------
    >>> with Journal(None, ["squares"], np.random.default_rng(0)) as journal:
    ...     journal.step(lambda: {"value": 4.0, "slope": np.array([1.0, 2.0])})
    {'value': 4.0, 'slope': array([1., 2.])}
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        asked: Sequence[Any],
        rng: np.random.Generator,
        progress: bool = False,
    ) -> None:
        self.path, self.rng, self.progress = None if path is None else Path(path), rng, progress
        self.ended = True  # False from where a search is cut short: nothing more is noted, and the file stays
        self._noted: list[dict[str, Any]] = []
        self._file: TextIO | None = None
        if self.path is not None:
            self._key = _digest(asked)
            if self.path.exists():
                self._read(self.path)
            else:
                check_output(self.path)

    def step(self, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the next step found: numbers and arrays of them by name."""
        if self._noted:
            line = self._noted.pop(0)
            self.rng.bit_generator.state = line["rng"]
            found = {name: np.asarray(value) if isinstance(value, list) else value for name, value in line.items()}
            del found["rng"]
        else:
            found = compute()
            self._write(found)
        self._bar.update()
        return found

    def _read(self, path: Path) -> None:
        """Steps of the file; the one at which its writer was killed is left out."""
        try:
            with path.open(encoding="utf-8") as file:
                head, *steps = [json.loads(line) for line in file if line.endswith("\n")]
            key, state = head["key"], head["rng"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no checkpoint of a search; pass another path") from error
        if key != self._key or state["bit_generator"] != self.rng.bit_generator.state["bit_generator"]:
            raise ValueError(f"the checkpoint {path} is of another search; delete it, or pass another path")
        self.rng.bit_generator.state = state
        self._noted = steps

    def _write(self, found: dict[str, Any]) -> None:
        """A line that is on disk afterwards."""
        if self._file is not None and self.ended:
            line = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()}
            self._file.write(json.dumps(line | {"rng": self.rng.bit_generator.state}, default=np.ndarray.tolist) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> Journal:
        from tqdm import tqdm

        self._bar = tqdm(desc="evaluations", disable=not self.progress, leave=None)
        if self.path is not None:
            fresh = not self.path.exists()
            self._file = self.path.open("a", encoding="utf-8")
            if fresh:
                self._write({"key": self._key})
            else:
                _without_a_broken_end(self.path)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()
        if self.path is not None and self._file is not None:
            self._file.close()
            if kind is None and self.ended:
                self.path.unlink()


def _without_a_broken_end(path: Path) -> None:
    """The file up to its last whole line."""
    size = path.read_bytes().rfind(b"\n") + 1
    os.truncate(path, size)


def _digest(parts: Sequence[Any]) -> str:
    """A digest of arrays, sparse arrays, mappings, numbers and texts."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, dict):
            part = [item for pair in part.items() for item in pair]
        if sp.issparse(part):
            csr = sp.csr_array(part)
            part = [csr.shape, csr.data, csr.indices, csr.indptr]
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        elif isinstance(part, list | tuple):
            digest.update(_digest(part).encode())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()
