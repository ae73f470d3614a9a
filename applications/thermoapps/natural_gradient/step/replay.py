"""A closure called twice on the same batch with the same random numbers, so that dropout keeps its mask."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch

from thermoapps.natural_gradient.curvature.repetition import RandomNumbers

__all__ = ["Closure", "ReplayedClosure"]

Closure = Callable[[], Any]


class ReplayedClosure:
    """A closure and the time spent in it.

    Parameters
    ----------
    closure : callable
        Calls the model, and returns whatever it likes.
    device : torch.device
        Where the model lives; its random generator is remembered beside that of the CPU.

    Examples
    --------
    >>> import torch
    >>> replayed = ReplayedClosure(lambda: (torch.rand(2), None), torch.device("cpu"))
    >>> first, _ = replayed.first()
    >>> again, _ = replayed.again()
    >>> torch.equal(first, again)
    True
    """

    def __init__(self, closure: Closure, device: torch.device) -> None:
        self.closure, self.device = closure, device
        self.seconds = 0.0
        self._random = RandomNumbers(device)

    @torch.enable_grad()
    def first(self) -> Any:
        """What it returns, with gradients."""
        return self._timed()

    def again(self, begin: Callable[[], object] = lambda: None) -> Any:
        """What it returns, without gradients if it can; the random generators are left as they were found.

        `begin` is called first, and once more where the closure turns out to differentiate within itself.
        """
        begin()
        try:
            with self._random.again(), torch.no_grad():
                return self._timed()
        except RuntimeError:
            begin()
            with self._random.again(), torch.enable_grad():
                return self._timed()

    def _timed(self) -> Any:
        began = perf_counter()
        result = self.closure()
        self.seconds += perf_counter() - began
        return result
