"""Variances from fewer readings: what a node does given all others is known, and only its mean is left to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._progress import told, watched
from thermolinalg.devices import Program, Reading, Schedule
from thermolinalg.operators import Operator

__all__ = ["ConditionalVariances", "blocks", "conditional_variances"]

NUMBERS = 2**22
"""Of one block of readings: a block of vectors shares products with A, and takes memory."""

FEWEST, WIDEST = 16, 64
"""Readings before the first look at what they know, and of one block."""


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
    program: Program, matrix: Operator, rtol: float, most: int, *, rng: np.random.Generator
) -> ConditionalVariances:
    r"""Diagonal of A⁻¹ from readings of N(0, A⁻¹), each with its conditional variances (Rao–Blackwell).

    Given all other nodes, node i is normal with the variance 1/a_ii and the mean x_i − (A x)_i/a_ii, so that

    .. math:: (A^{-1})_{ii} = 1/a_{ii} + E\,(x_i - (A x)_i/a_{ii})^2.

    Only the second term is estimated. That takes (1 − 1/(a_ii (A⁻¹)_ii))² as many readings as the variance of x_i
    itself for the same error: a fifth to a hundredth on grids.

    Parameters
    ----------
    program : Program
        That holds A and settles to N(0, A⁻¹) exactly.
    matrix : Operator, shape (d, d)
        A, with a diagonal > 0.
    rtol : float
        Relative standard error that every entry is read to.
    most : int
        Readings at most.
    rng : numpy.random.Generator

    Returns
    -------
    ConditionalVariances

    References
    ----------
    A. E. Gelfand and A. F. M. Smith, Sampling-based approaches to calculating marginal densities, JASA 85 (1990);
    P. Sidén et al., Efficient covariance approximations for large sparse precision matrices, JCGS 27 (2018).
    """
    diagonal = matrix.diagonal()
    assert diagonal is not None
    known, squares, count, stopped = 1 / diagonal, 0 * diagonal, 0, None
    for reading in watched(blocks(program, matrix, most, rng, WIDEST), "block of readings"):
        x = namespace(matrix.like).asarray(reading.value.T, copy=True)
        mean = x - known[:, None] * matrix.apply(x)
        squares, count = squares + namespace(mean).sum(mean * mean, axis=1), count + x.shape[1]
        if told("diagonal", lambda: {"x": known + squares / count, "n_readings": count}):
            stopped = count
        noise = (2 / count) ** 0.5 * squares / count
        if stopped or (count >= FEWEST and bool((noise <= rtol * (known + squares / count)).all())):
            break
    schedule = Schedule.for_covariance(count, program.rate())
    return ConditionalVariances(known + squares / count, noise, schedule, stopped)


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
    for begin in range(0, most, width):
        schedule = Schedule.for_covariance(min(width, most - begin), program.rate())
        yield program.readings(zero, schedule, rng=rng, temperature=1.0)
