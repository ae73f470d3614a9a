"""When a search ends, and who watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from tqdm import tqdm

from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import Scaled

__all__ = ["Limits", "Watch"]


@dataclass(frozen=True)
class Limits:
    """When a search is over.

    Parameters
    ----------
    tol, maxiter, time_limit, callback, progress, verbose
        As `thermoapps.quadratic_program.solve_problem`.

    Raises
    ------
    ValueError
        Numbers out of range.
    TypeError
        A callback that cannot be called.
    """

    tol: float
    maxiter: int
    time_limit: float
    callback: Callable[[Vector], Any] | None = None
    progress: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.tol < 1:
            raise ValueError(f"tol must lie between 0 and 1, got {self.tol}")
        if self.maxiter < 1:
            raise ValueError(f"maxiter must be at least 1, got {self.maxiter}")
        if not self.time_limit > 0:
            raise ValueError(f"time_limit must be positive, got {self.time_limit}")
        if self.callback is not None and not callable(self.callback):
            raise TypeError(f"callback must be callable, got {type(self.callback).__name__}")

    def watch(self) -> Watch:
        """A watch that starts now."""
        return Watch(self)


@dataclass
class Watch:
    """Counts the steps of one search and the time since it was made; a context that closes its bar.

    Parameters
    ----------
    limits : Limits
    """

    limits: Limits
    _began: float = field(default_factory=monotonic)
    _bar: Any = None
    _stopped: bool = False

    def __enter__(self) -> Watch:
        if self.limits.progress:
            self._bar = tqdm(desc="steps")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def ends(self, problem: Scaled, x: Vector) -> bool:
        """Count a step, show its point to the callback, and say whether it was the last one allowed."""
        if self._bar is not None:
            self._bar.update()
        if self.limits.callback is not None and not self._stopped:
            self._stopped = bool(self.limits.callback(problem.x_to_user(x)))
        return self.over

    @property
    def over(self) -> bool:
        """Whether the time is up, or the callback ended the search."""
        return self._stopped or monotonic() - self._began >= self.limits.time_limit
