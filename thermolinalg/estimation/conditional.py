"""Variances from fewer readings: what a node does given most others is known, and only its mean is left to be read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._progress import told, watched
from thermolinalg.devices import Program, Reading, Schedule
from thermolinalg.estimation.neighbourhoods import conditional_on_others
from thermolinalg.operators import Operator, Sparse

__all__ = ["ConditionalVariances", "blocks", "conditional_variances"]

NUMBERS = 2**22
"""Of one block of readings: a block of vectors shares products with A, and takes memory."""

TOGETHER = 64
"""Readings of one block, and before the first look: a spread of fewer has error bars that are too short too often."""

SIZE, LARGER = 64, 256
"""Nodes of a neighbourhood; and where so many more readings are spared that they are worth four times the work."""

MANY = 1e5
"""Readings of the spread alone from which on larger neighbourhoods are."""

WEIGHTS = 2**25
"""Numbers of all neighbourhoods together, which are kept."""

OVERSTATED = 4.0
"""By how much the first block may overstate the readings that are needed, with the largest of many errors."""


class ConditionalVariances(NamedTuple):
    """The diagonal of A⁻¹, and how well it is known.

    Parameters
    ----------
    value, noise : array, shape (d,)
        The estimate and its standard error.
    schedule : Schedule
        Of all readings.
    stopped : int, optional
        Readings after which a callback ended it.
    """

    value: Array
    noise: Array
    schedule: Schedule
    stopped: int | None = None


def conditional_variances(
    program: Program, matrix: Sparse, rtol: float, most: int, *, rng: np.random.Generator
) -> ConditionalVariances | None:
    r"""Diagonal of A⁻¹ from readings of N(0, A⁻¹), each with its conditional variances (Rao–Blackwell).

    Given all nodes outside a neighbourhood S of it, node i is normal with a variance and a mean that small parts of A
    tell, so that

    .. math:: (A^{-1})_{ii} = (A_{SS}^{-1})_{ii} + E\,(x_i - w_i^T (A x)_S)^2, \qquad w_i = A_{SS}^{-1} e_i.

    Only the second term is estimated. With the share q of it in the whole that takes q² as many readings as the
    variance of x_i itself for the same error: on grids a fifth with i alone, a hundredth or less with 64 nodes.

    Parameters
    ----------
    program : Program
        That holds A and settles to N(0, A⁻¹) exactly.
    matrix : Sparse, shape (d, d)
        A, with a diagonal > 0.
    rtol : float
        Relative standard error that every entry is read to.
    most : int
        Readings at most.
    rng : numpy.random.Generator

    Returns
    -------
    ConditionalVariances or None
        None where so many readings do not do.

    References
    ----------
    A. E. Gelfand and A. F. M. Smith, Sampling-based approaches to calculating marginal densities, JASA 85 (1990);
    P. Sidén et al., Efficient covariance approximations for large sparse precision matrices, JCGS 27 (2018).
    """
    size = SIZE if 2 / rtol**2 <= MANY else LARGER
    given = conditional_on_others(matrix, max(1, min(size, WEIGHTS // matrix.shape[0])))
    squares, count = 0 * given.variance, 0
    for reading in watched(blocks(program, matrix, most, rng, TOGETHER), "block of readings"):
        x = namespace(matrix.like).asarray(reading.value.T, copy=True)
        mean = given.mean(x, matrix.apply(x))
        squares, count = squares + namespace(mean).sum(mean * mean, axis=1), count + x.shape[1]
        value, noise = given.variance + squares / count, _spread_of_squares(count) * squares / count
        stopped = count if told("diagonal", partial(dict, x=value, n_readings=count)) else None
        error = float(namespace(noise).max(noise / value))
        if stopped or (count >= min(TOGETHER, most) and error <= rtol):
            return ConditionalVariances(value, noise, Schedule.for_covariance(count, program.rate()), stopped)
        if count >= TOGETHER and (error / rtol) ** 2 * count > OVERSTATED * most:
            break
    return None


def _spread_of_squares(count: int) -> float:
    """Standard deviation of a variance, in units of the mean square of so many readings, as that leaves it (inverse γ).

    It is √(2/n) for many; of few, the smaller half would say too little of its error.
    """
    return count / (count - 2) * (2 / (count - 4)) ** 0.5 if count > 4 else math.inf


def blocks(
    program: Program, matrix: Operator, most: int, rng: np.random.Generator, widest: int = NUMBERS
) -> Iterator[Reading]:
    """Independent readings (n, d) without a load, at temperature one, block by block.

    Parameters
    ----------
    program : Program
    matrix : Operator, shape (d, d)
        A.
    most : int
        Readings in all.
    rng : numpy.random.Generator
    widest : int, optional
        Readings of one block at most.

    Yields
    ------
    Reading
    """
    d, like = matrix.shape[0], matrix.like
    zero = namespace(like).zeros(d, dtype=like.dtype, device=like.device)
    width = min(max(NUMBERS // d, 1), widest)
    width = widest // -(-widest // width)
    for begin in range(0, most, width):
        schedule = Schedule.for_covariance(min(width, most - begin), program.rate())
        yield program.readings(zero, schedule, rng=rng, temperature=1.0)
