"""Bits that a device needs: of its couplings, its loads and its readings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from thermolinalg._arrays import Array, column_norms, namespace
from thermolinalg.operators import Dense, Operator, Sparse
from thermolinalg.systems.placed import Held

__all__ = ["Bits", "bits_needed"]

CONTRACTION = 0.5
"""Share of the error that rounded couplings may leave in a run: less takes bits, more takes runs."""

PRECISION = 0.1
"""Share of a load or a reading that its rounding may be: as much as one run leaves for its noise."""

PEAK = 4.0
"""Largest voltage over the root mean square of all: that of some thousand Gaussian numbers."""


@dataclass(frozen=True)
class Bits:
    """Bits of symmetric converters with 2^b − 1 levels, sign included.

    Parameters
    ----------
    couplings, load, reading : int
        For A, for b, and for what is read.

    See Also
    --------
    BreakEven, Crossover, Way : Parts of a `Plan`.

    Notes
    -----
    Rounding to steps q = s/(2^{b−1} − 1) over a span s errs by q/√12 in each entry, independently. A matrix of such
    errors with r entries a row has a norm of about 2√r q/√12, which σ_min has to exceed for a run to leave less error
    than there was; no number of runs makes up for that. Loads and readings are rounded anew in every run.
    """

    couplings: int
    load: int
    reading: int

    @property
    def most(self) -> int:
        """The largest of the three."""
        return max(self.couplings, self.load, self.reading)

    def grown(self, filling: float) -> Bits:
        """Where each row has so many times the entries, of the same size."""
        return replace(self, couplings=max(1, math.ceil(self.couplings + 0.5 * math.log2(filling))))


def bits_needed(held: Held, load: Array, share: float | None = None) -> Bits:
    """Bits with which residuals that are sent back shrink, or those of a single run.

    Parameters
    ----------
    held : Held
        A on the device.
    load : array, shape (m, k)
        In the units of its equation.
    share : float, optional
        Relative error of a single run; None: residuals are sent back.

    Returns
    -------
    Bits
    """
    xp, norms = namespace(load), column_norms(load)
    peaks = xp.max(xp.abs(load), axis=0)
    seen = norms > 0
    signal = float(xp.min((norms / peaks)[seen])) / load.shape[0] ** 0.5 if bool(xp.any(seen)) else 1.0
    rounding = PRECISION if share is None else share
    return Bits(
        couplings=_levels(_span(held) / ((CONTRACTION if share is None else share) * _smallest(held))),
        load=_levels(1 / (rounding * signal)),
        reading=_levels(PEAK / rounding),
    )


def _levels(ratio: float) -> int:
    """b for which a step over √12 is 1/ratio of the span."""
    return 1 + math.ceil(math.log2(1 + ratio / math.sqrt(12)))


def _smallest(held: Held) -> float:
    """Smallest singular value of the balanced A; that of the identity where the device does not tell it."""
    return 1.0 if held.condition is None else held.size / held.condition.number


def _span(held: Held) -> float:
    """2 √r times the largest entry: the norm of a matrix of random signs of that size, as full as A."""
    A: Operator = held.matrix
    m, n = int(A.shape[0]), int(A.shape[1])
    if isinstance(A, Dense):
        xp = namespace(A.matrix)
        return (math.sqrt(m) + math.sqrt(n)) * float(xp.max(xp.abs(A.matrix)))
    if isinstance(A, Sparse):
        filling = max(A.couplings / min(m, n), 1.0)
        return 2 * math.sqrt(filling) * float(abs(A.matrix.data).max(initial=0.0))
    # No entry is larger than the norm.
    return (math.sqrt(m) + math.sqrt(n)) * held.size
