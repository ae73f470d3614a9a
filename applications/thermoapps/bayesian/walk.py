"""Chains on their way: what was drawn is kept, and what was interrupted goes on bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermoapps.bayesian.chains import Chains

__all__ = ["Walk"]


class Walk:
    """Replicas of a device that are read again and again; it pickles.

    However the readings are split into calls, and whatever interrupted them, the same numbers come: a reading that was
    interrupted is taken again from where it began.

    Parameters
    ----------
    state : object
        Where the replicas are; never changed, only replaced.
    advance : callable
        (state, rng) ↦ the state at the next reading.
    read : callable
        state ↦ what is read, (replicas, d).
    rng : numpy.random.Generator
        Source of randomness, which the walk takes on.

    See Also
    --------
    effective_sample_size, split_rhat, Chains : Chains and what they are worth.

    Examples
    --------
    >>> import numpy as np
    >>> def step(x, rng):
    ...     return 0.5 * x + rng.standard_normal(x.shape)
    >>> walk, again = (Walk(np.zeros((2, 1)), step, lambda x: x, np.random.default_rng(0)) for _ in range(2))
    >>> walk.draw(10)
    >>> again.draw(4)
    >>> again.draw(6)
    >>> bool(np.array_equal(walk.chains.draws, again.chains.draws))
    True
    """

    def __init__(
        self,
        state: Any,
        advance: Callable[[Any, np.random.Generator], Any],
        read: Callable[[Any], NDArray[np.float64]],
        rng: np.random.Generator,
    ) -> None:
        self._advance, self._read, self._rng = advance, read, rng
        self._readings: list[NDArray[np.float64]] = []
        self._at: tuple[Any, Any, int] = (state, rng.bit_generator.state, 0)

    def __len__(self) -> int:
        return self._at[2]

    @property
    def chains(self) -> Chains:
        """All that was read so far.

        Raises
        ------
        ValueError
            Fewer than four readings.
        """
        if len(self) < 4:
            raise ValueError(f"{len(self)} readings so far, and at least 4 are needed; call draw")
        return Chains(np.stack(self._readings[: len(self)], axis=1))

    def relax(self, count: int) -> None:
        """Go on without keeping readings.

        Parameters
        ----------
        count : int
            For how many readings.
        """
        for _ in range(count):
            state, at, kept = self._next()
            self._at = (state, at, kept)

    def draw(self, count: int, *, progress: bool = False, callback: Callable[[Walk], Any] | None = None) -> None:
        """Take readings.

        Parameters
        ----------
        count : int
            How many of each replica.
        progress : bool, optional
            Whether to show a progress bar.
        callback : callable, optional
            Called with the walk after every reading; StopIteration ends the call.
        """
        from tqdm import tqdm

        for _ in tqdm(range(count), desc="reading", disable=not progress, leave=None):
            state, at, kept = self._next()
            self._readings[kept:] = [self._read(state)]
            self._at = (state, at, kept + 1)  # all at once: an interrupt comes before or after
            if callback is not None:
                try:
                    callback(self)
                except StopIteration:
                    return

    def _next(self) -> tuple[Any, Any, int]:
        """The next state, that of the source of randomness then, and the number of readings before."""
        state, at, kept = self._at
        self._rng.bit_generator.state = at
        state = self._advance(state, self._rng)
        return state, self._rng.bit_generator.state, kept
