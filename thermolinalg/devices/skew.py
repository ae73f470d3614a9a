"""A general matrix in an overdamped device, as its skew embedding: any shape, any condition, always stable."""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._progress import watched
from thermolinalg.devices.drawn import Drawn
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.loading import AsWritten, Equilibrated
from thermolinalg.devices.reading import Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import Overdamped, Skew
from thermolinalg.matrix_functions.singular import PreparedEmbedding, SingularEngines
from thermolinalg.operators import Dense, Operator, SkewEmbedding, Sparse

__all__ = ["SkewProgram"]


class SkewProgram(Drawn):
    """A skew embedding M = [[αI, A], [−Aᵀ, αI]] written into an overdamped `LangevinDevice`.

    The device holds c M, its largest |eigenvalue| 1 (or M as it is, `AsWritten`), and loads at full range, column by
    column. Loads, values and states of the methods are in the user's units and stack both halves, d = m + n: the load
    (b, 0) solves A x = b in the lower half.

    Parameters
    ----------
    operator : SkewEmbedding
        M; engines that come along with it are used where nothing is imperfect.
    law : Overdamped
        Of the device it was written into; `law` is then the `Skew` one that follows.
    loading : Equilibrated or AsWritten
        Likewise.
    imperfections : Imperfections
        Likewise.
    rng : numpy.random.Generator
        Draws this copy's imperfections. One written A stands in both off-diagonal blocks; α is taken as exact.

    See Also
    --------
    LatticeProgram, SaturatingProgram, TiledProgram, UnevenProgram : Programs, what devices hold of A.
    """

    law: Skew
    engines: SingularEngines

    def __init__(
        self,
        operator: SkewEmbedding,
        law: Overdamped,
        loading: Equilibrated | AsWritten,
        imperfections: Imperfections,
        rng: np.random.Generator,
    ) -> None:
        self.operator, self.loading, self.imperfections = operator, loading, imperfections
        self.temperature, self.scaling = law.temperature, None
        if isinstance(operator, PreparedEmbedding) and not imperfections.rewrites:
            self.engines = operator.engines
        else:
            self.engines = SingularEngines(_written(operator.matrix, self.imperfections, rng))
        self.effective = SkewEmbedding(self.engines.matrix, operator.alpha)
        self.factor = 1.0
        if isinstance(self.loading, Equilibrated):
            self.factor = 1 / math.hypot(operator.alpha, self.engines.largest())
        self.alpha = self.factor * operator.alpha
        self.law = self.imperfections.heat(Skew(self.alpha, law.temperature))
        self._draw_offsets(rng)
        self.ledger = Ledger.of(operator)

    # -- what it is ----------------------------------------------------------------------------------------------------

    def interval(self) -> tuple[float, float]:
        """Smallest and largest singular value of c A, as it was written."""
        lower, upper = self.engines.interval()
        return self.factor * lower, self.factor * upper

    @property
    def ideal(self) -> bool:
        """Whether what a run misses is α² (AᵀA + α²)⁻¹ x and its noise, and nothing else: no imperfections."""
        return self.imperfections.is_perfect

    def rate(self) -> float:
        """Relaxation rate of every mode, in 1/τ: c α."""
        return self.law.relaxation_rate()

    # -- what it reads -------------------------------------------------------------------------------------------------

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b and return every reading of the schedule, one after the other.

        Parameters
        ----------
        b : array, shape (m + n,)
        schedule : Schedule
            With `readings`; the first one comes after the burn-in.
        rng : numpy.random.Generator
        start : array, shape (m + n,), optional
        temperature : float, optional
            Temperature T in the user's units, to which the amplification of the load is set: readings in equilibrium
            are from N(M⁻¹b, (T/α) I). By default the load is amplified to full range.

        Returns
        -------
        Reading
            Value (n, m + n).
        """
        count, spacing = schedule.grid()
        load, gain = self.load(b[:, None], None if temperature is None else self.gain_at(temperature), rng)
        state = self.started(None if start is None else start[:, None], gain)
        path = []
        for time in watched((schedule.burn_in, *[spacing] * (count - 1)), "reading"):
            (state,) = self.draw(self.after(time), ("state",), load, state, rng)
            path.append(state)
        self.ledger.record(b.shape[0], 1, schedule.total, count)
        stacked = namespace(load).concat(path, axis=1)
        value = self.to_user(self.unclipped(self.convert(stacked, rng)), gain).T
        return Reading(value, schedule.total, schedule, state=self.to_user(path[-1], gain)[:, 0])

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> NoReturn:
        """Refused: the spread of the readings does not depend on A."""
        raise TypeError(_NO_INVERSE)

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> NoReturn:
        """Refused: the spread of the readings does not depend on A."""
        raise TypeError(_NO_INVERSE)


_NO_INVERSE = "the spread of a skew device is (T/α)I whatever A is: it solves, it does not invert"


def _written(matrix: Operator, imperfections: Imperfections, rng: np.random.Generator) -> Operator:
    """A as it ends up in the hardware: rounded to the grid, then mismatched."""
    if not imperfections.rewrites:
        return matrix
    if isinstance(matrix, Sparse):
        written = matrix.matrix.copy()
        written.data = imperfections.write_array(written.data, rng)
        return matrix.holding(written, symmetric=False)
    return Dense(imperfections.write_array(matrix.dense(), rng), symmetric=False)
