"""A digital polish: single spins flipped while that pays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermoapps.annealing.ising import Ising, Vector

__all__ = ["GreedyDescent"]


@dataclass(frozen=True)
class GreedyDescent:
    """Flip single spins while a flip lowers the energy; what comes out is a local minimum of single flips.

    It runs on the digital computer, after the device's reading, and is no part of the device's time.

    See Also
    --------
    FiducciaMattheyses : Digital polish.

    Examples
    --------
    >>> import numpy as np
    >>> GreedyDescent().run(Ising([[0.0, 1.0], [1.0, 0.0]]), np.ones((2, 1))).ravel()
    array([ 1., -1.])
    """

    def run(self, ising: Ising, spins: Vector) -> Vector:
        """Local minima below the columns of spins (n, k).

        Raises
        ------
        TypeError
            Couplings that are known by their products only.
        """
        if not ising.stored:
            raise TypeError("flips of single spins need stored couplings; pass J as an array or a sparse array")
        result = ising.columns(spins).copy()
        fields = ising.J @ result + ising.h[:, None]
        for s, field in zip(result.T, fields.T, strict=True):
            self._descend(ising, s, field)
        return result

    def _descend(self, ising: Ising, s: Vector, field: Vector) -> None:
        """Flip spins of one read in place, until none is left whose flip pays more than rounding."""
        J, least = ising.J, 1e-12 * ising.scales
        waiting = list(np.flatnonzero(s * field > least))
        while waiting:
            i = waiting.pop()
            if s[i] * field[i] <= least[i]:
                continue
            s[i] = -s[i]
            near = slice(J.indptr[i], J.indptr[i + 1])
            neighbours = J.indices[near]
            field[neighbours] += 2 * s[i] * J.data[near]
            waiting.extend(neighbours[s[neighbours] * field[neighbours] > least[neighbours]])
