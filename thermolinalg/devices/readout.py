"""Reading a device again and again: trajectories, independent draws, and how the readings spread."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import cast

import numpy as np

from thermolinalg._arrays import Array, is_distributed, namespace
from thermolinalg._progress import told, watched
from thermolinalg.devices.reading import CovarianceReading, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.simulated import Simulated
from thermolinalg.laws import LinearLaw, Overdamped, forgotten
from thermolinalg.matrix_functions.base import Diagonalising
from thermolinalg.simulation.covariances import sample_covariance, sample_variance, wishart_factor
from thermolinalg.simulation.readings import CHUNK, autoregressive_blocks, modal_readings

__all__ = ["anticipate", "covariance", "readings", "variances"]

BLOCK = 2**22
"""Numbers that are drawn at a time: an interrupt waits for them."""

NEGLIGIBLE = 12.0
"""Relaxation times after which two readings count as uncorrelated in an error bar: e⁻²⁴ in the product of two."""


def readings(
    program: Simulated,
    b: Array,
    schedule: Schedule,
    rng: np.random.Generator,
    start: Array | None,
    gain: float | None,
) -> Reading:
    """See `LangevinProgram.readings`; b and start (d, 1)."""
    program.refuse_lifted()
    count, _ = schedule.grid()
    load, gains = program.load(b, gain, rng)
    if _independent(program, schedule):
        blocks = _independent_blocks(program, load, count, rng)
    else:
        first, step = _steps(program, schedule)
        engine = program.told(program.engines.choose(step, ("state",), count)).engine
        blocks = autoregressive_blocks(engine, first, step, program.started(start, gains), load, count, rng)
    taken: list[Array] = []
    with closing(blocks):
        for block in blocks:
            taken.append(program.to_user(program.unclipped(program.convert(block, rng)), gains).T)
            if told("samples", lambda: {"x": taken[-1], "n_readings": sum(map(len, taken))}):
                break
    value = taken[0] if len(taken) == 1 else namespace(load).concat(taken)
    if len(value) < count:
        schedule = schedule.up_to(count := len(value))
    program.ledger.record(b.shape[0], 1, schedule.total, count)
    return Reading(value, schedule.total, schedule, state=value[-1], gain=gains, condition=program.condition)


def _independent_blocks(
    program: Simulated, load: Array, count: int, rng: np.random.Generator
) -> Generator[Array, None, None]:
    """Readings in equilibrium, in blocks (d, n): memory for one copy, and a way out."""
    law, d = program.after(math.inf), load.shape[0]
    law = law if bool(namespace(load).any(load != 0)) else law.noise()
    width = max(1, BLOCK // max(d, 1))
    for begin in watched(range(0, count, width), "block of readings"):
        (block,) = program.draw(law, ("state",), load, None, rng, columns=min(width, count - begin))
        yield block


def covariance(program: Simulated, schedule: Schedule, rng: np.random.Generator) -> CovarianceReading:
    """See `LangevinProgram.covariance`."""
    program.refuse_lifted()
    count, spacing = schedule.grid()
    if count < 2:
        raise ValueError("a covariance needs two readings at least; pass Schedule(..., readings=n)")
    d = program.operator.shape[0]
    if is_distributed(program.operator.like):
        program.operator.dense()  # as large as a covariance; it says what to do instead
    if _independent(program, schedule):
        spread, autocovariance, lags = _independent_covariance(program, count, rng), None, 0
    else:
        lags = min(count - 1, int(NEGLIGIBLE / (program.rate() * spacing)) + 1)
        engine = cast(Diagonalising, program.told(program.engines.modes()).engine)
        spread = _correlated_covariance(program, engine, schedule, rng)
        autocovariance = _autocovariance(program, engine, spacing)
    program.ledger.record(d, 1, schedule.total, count)
    value = _in_user_units(program, spread)
    monotone = isinstance(program.law, Overdamped)
    return CovarianceReading(
        value, schedule.total, schedule, autocovariance, lags, monotone, program.condition, _systematic(program)
    )


def variances(program: Simulated, count: int, rng: np.random.Generator, progress: bool) -> CovarianceReading:
    """See `LangevinProgram.variances`."""
    program.refuse_lifted()
    d, schedule = program.operator.shape[0], Schedule.for_covariance(count, program.rate())
    if not program.imperfections.outputs.is_perfect:
        value = sample_variance(watched(_converted_draws(program, count, rng), "reading", progress, count // CHUNK + 1))
    else:
        squares: Array | float = 0.0
        columns = min(d, count - 1)
        factors = wishart_factor(d, count - 1, program.operator.like, rng, width=CHUNK)
        for factor in watched(factors, "reading", progress, -(-columns // CHUNK)):
            block = _root(program, factor)
            squares = squares + namespace(block).sum(block**2, axis=1)
        value = squares / (count - 1)
    program.ledger.record(d, 1, schedule.total, count)
    value = value / program.gain_at(1.0) ** 2
    if program.scaling is not None:
        with np.errstate(over="ignore", under="ignore"):  # the caller looks at the range of the result
            value = program.scaling * (program.scaling * value)
    return CovarianceReading(
        value, schedule.total, schedule, condition=program.condition, systematic=_systematic(program)
    )


def _systematic(program: Simulated) -> float | None:
    """Nothing for an ideal device, unknown for any other."""
    return 0.0 if program.ideal else None


def anticipate(program: Simulated, schedule: Schedule) -> None:
    """See `LangevinProgram.anticipate`."""
    if _surely_correlated(program, schedule):
        with program.imperfections.blamed():
            program.engines.modes()


def _surely_correlated(program: Simulated, schedule: Schedule) -> bool:
    """Whether readings depend on each other by what the smallest diagonal entry says, a bound of the smallest rate."""
    diagonal = program.effective.diagonal()
    if diagonal is None:
        return False
    bound = program.factor * float(namespace(diagonal).min(diagonal))
    return not forgotten(program.law.relaxation_rate(bound) * _gap(schedule))


def _gap(schedule: Schedule) -> float:
    """What lies between two readings, or before the first."""
    return min(schedule.burn_in, schedule.grid()[1])


def _independent(program: Simulated, schedule: Schedule) -> bool:
    """Whether the readings are in equilibrium and far enough apart to count as independent draws."""
    # No eigenvalue need be found where the diagonal says no.
    return not _surely_correlated(program, schedule) and forgotten(program.rate() * _gap(schedule))


def _steps(program: Simulated, schedule: Schedule) -> tuple[LinearLaw, LinearLaw]:
    """Laws of the first reading and of each further one."""
    _, spacing = schedule.grid()
    return program.after(schedule.burn_in), program.after(spacing)


def _independent_covariance(program: Simulated, count: int, rng: np.random.Generator) -> Array:
    if not program.imperfections.outputs.is_perfect:
        return sample_covariance(_converted_draws(program, count, rng))
    (factor,) = wishart_factor(program.operator.shape[0], count - 1, program.operator.like, rng)
    draws = _root(program, factor)
    return draws @ draws.T / (count - 1)


def _root(program: Simulated, block: Array) -> Array:
    """R V for a block V, with R Rᵀ the covariance in equilibrium."""
    law = program.after(math.inf).noise()
    choice = program.told(program.engines.choose(law, ("state",), block.shape[1]))
    # The position needs one normal vector.
    (draws,) = choice.engine.apply(law, [block if name in ("z", "z1") else None for name in law.inputs], ("state",))
    return draws


def _converted_draws(program: Simulated, count: int, rng: np.random.Generator) -> Iterator[Array]:
    """Independent readings as the converters give them, in chunks (n, d)."""
    law = program.after(math.inf)
    load = _no_load(program)
    for begin in range(0, count, CHUNK):
        (block,) = program.draw(law, ("state",), load, None, rng, columns=min(CHUNK, count - begin))
        yield program.unclipped(program.convert(block, rng)).T


def _correlated_covariance(
    program: Simulated, engine: Diagonalising, schedule: Schedule, rng: np.random.Generator
) -> Array:
    """From the exact path in the eigenbasis; rotated once, or chunk by chunk where converters see the nodes."""
    count, _ = schedule.grid()
    load = engine.to_modes(_no_load(program))[:, 0]
    path = modal_readings(engine.eigenvalues(), *_steps(program, schedule), None, load, count, rng)
    path = watched(path, "block of readings", total=-(-count // CHUNK))
    if not program.imperfections.outputs.is_perfect:
        return sample_covariance(
            program.unclipped(program.convert(engine.from_modes(chunk.T), rng)).T for chunk in path
        )
    return _rotated(engine, sample_covariance(path))


def _autocovariance(program: Simulated, engine: Diagonalising, spacing: float) -> Callable[[float], Array]:
    """What the law expects in equilibrium, as a function of the lag."""
    values: Array = engine.eigenvalues()
    law, lam = program.law, program.factor * values

    def expected(lag: float) -> Array:
        modes = law.stationary_variance(lam) * law.decay(lam, lag * spacing)
        modes = modes + (program.imperfections.outputs.known("noise") ** 2 if lag == 0 else 0.0)
        return _in_user_units(program, _rotated(engine, namespace(modes).diag(modes)))

    return expected


def _rotated(engine: Diagonalising, spread: Array) -> Array:
    """Q C Qᵀ."""
    return engine.from_modes(engine.from_modes(spread).T)


def _in_user_units(program: Simulated, spread: Array) -> Array:
    """A covariance of voltages as an estimate of A⁻¹."""
    value = spread / program.gain_at(1.0) ** 2
    return value if program.scaling is None else program.scaling[:, None] * value * program.scaling


def _no_load(program: Simulated) -> Array:
    """What stands at the inputs when nothing is loaded: zero, or the device's own offsets (d, 1)."""
    like = program.operator.like
    zero = namespace(like).zeros((program.operator.shape[0], 1), dtype=like.dtype, device=like.device)
    load, _ = program.load(zero)
    return load
