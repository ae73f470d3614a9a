"""Where a run stands, so that it can go on from there: in memory, or in a file that outlives the process."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np

from thermoapps.annealing.ising import Ising, Vector
from thermolinalg.files import replacing

__all__ = ["Log", "Memory"]

SECONDS = 5.0
"""From one writing of the file to the next."""


class Memory:
    """What a method's run keeps of itself between two of its segments, and finds again when it goes on.

    Attributes
    ----------
    state : dict
        Arrays and numbers by name; empty at the beginning of a run.

    See Also
    --------
    LangevinSampler, booked : Runs, their costs and where they stand.
    """

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def keep(self, **state: Any) -> None:
        """Note where the run stands; arrays must not be changed afterwards."""
        self.state = state


class Log(Memory):
    """Reads that are done, where the run at work stands, and the generator's state, in a file.

    As a context it writes the file when left by an exception, and from time to time before.

    Parameters
    ----------
    path : str or path
        Of the file; where it exists, the call goes on from it.
    ising : Ising
    asked : str
        Method and source of randomness, which have to be those of the file.
    start : array, shape (n, k)
        Signs at the beginning; those of the file take their place.
    rng : numpy.random.Generator
        Set to where the file's stood.

    Raises
    ------
    ValueError
        A file of another problem or call, or that is none of this kind.
    """

    def __init__(self, path: Any, ising: Ising, asked: str, start: Vector, rng: np.random.Generator) -> None:
        super().__init__()
        self.path, self.rng, self.start = Path(path), rng, start
        self.key = _key(ising, f"{asked} {start.shape}")
        self.done = np.zeros((ising.n, 0), dtype=np.int8)
        self._written = monotonic()
        if self.path.exists():
            self._read()
        self._stood = rng.bit_generator.state

    def keep(self, **state: Any) -> None:
        """Note where the run stands, and write it down where the last time is some seconds ago."""
        super().keep(**state)
        self._stood = self.rng.bit_generator.state
        if monotonic() - self._written > SECONDS:
            self.write()

    def finish(self, spins: Vector) -> None:
        """Note reads that are done."""
        self.done = np.hstack([self.done, spins.astype(np.int8)])
        self.keep()

    def write(self) -> None:
        """The file, in one stroke."""
        head = json.dumps({"key": self.key, "rng": self._stood}, default=np.ndarray.tolist)
        arrays = {f"state_{name}": value for name, value in self.state.items()}
        with replacing(self.path, force=True) as stream:
            np.savez(stream, head=head, start=self.start.astype(np.int8), done=self.done, **arrays)
        self._written = monotonic()

    def remove(self) -> None:
        """No file: the call is at its end."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        """Go on from the file."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
            head = json.loads(str(held["head"]))
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{self.path} is no checkpoint of sampling; pass another path") from error
        if head["key"] != self.key:
            raise ValueError(
                f"the checkpoint {self.path} is of another model, method, seed or number of reads; delete it, or pass "
                "another path"
            )
        if head["rng"]["bit_generator"] != self.rng.bit_generator.state["bit_generator"]:
            raise ValueError(f"the checkpoint {self.path} was drawn by a {head['rng']['bit_generator']} generator")
        self.start, self.done = held["start"].astype(float), held["done"]
        self.state = {name[6:]: value for name, value in held.items() if name.startswith("state_")}
        self.rng.bit_generator.state = head["rng"]

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.write()


def _key(ising: Ising, asked: str) -> str:
    """A digest of a problem and what is asked of it."""
    digest = hashlib.sha256(asked.encode())
    for array in (ising.h, ising.J.data, ising.J.indices, ising.J.indptr):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
