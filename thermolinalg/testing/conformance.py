"""The conformance suite of devices: what anyone's device must do before its answers can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import chdtri

from thermolinalg._validation import as_count, as_nonnegative, as_positive, as_rng
from thermolinalg.devices.protocols import Device
from thermolinalg.devices.reading import Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.operators import Dense
from thermolinalg.testing._bench import RELAXED, Bench
from thermolinalg.testing._driven_checks import DRIVEN, NOISY, applies, half_done
from thermolinalg.testing._readout_checks import READ, reads

__all__ = ["check_device"]


def check_device(
    device: Device,
    *,
    temperature: float = 1.0,
    n_se: float = 5.0,
    tolerance: float = 0.0,
    copies: int = 4000,
    rng: Any = 0,
    skip: Sequence[str] = (),
) -> tuple[str, ...]:
    """Run the conformance suite on a device; AssertionError with the evidence if it fails.

    The device holds a small matrix that is in range already (largest eigenvalue 1, loads of full range), so that
    whatever scaling it does on loading changes nothing and its law is N(A⁻¹b, T A⁻¹).

    - ``protocol``: it has the methods of `Device` and `Program`, and readings of the right shape
    - ``mean``: averages are A⁻¹b, column by column
    - ``variance``: in equilibrium the covariance is T A⁻¹
    - ``stationarity``: a run that starts in equilibrium stays there
    - ``warm start``: a run begins at `start`, and forgets it at `rate()`
    - ``readings``: readings far apart are independent draws of N(A⁻¹b, T A⁻¹)
    - ``error bars``: averages scatter as much as their standard errors say
    - ``timetable``: a run as `timetable` proposes leaves about the residual that was asked for
    - ``scaling``: c A and t b give t A⁻¹b / c, with error bars to match
    - ``noise``: runs differ from each other; the same `rng` gives the same runs
    - ``ledger``: runs and device time are counted
    - ``inputs``: A, b and `start` are left as they were
    - ``singular``: a singular A is refused with LinAlgError, not with NaN
    - ``temperature``: of programs that read at one: readings are draws of N(A⁻¹b, T A⁻¹) for that T
    - ``covariance``: of programs that read it: covariances and variances over the temperature are A⁻¹, whatever T
    - ``autocovariance``: likewise: covariances of readings close to each other, and what is told of their correlation
    - ``spectrum``: of `Drivable` programs: what is known before a drive is right
    - ``readings along``: of `Drivable` programs: readings between aI and A have their closed-form mean and variance
    - ``work``: of `Drivable` programs: drives both ways do the work that they should, in mean and variance
    - ``own noise``: of `Correlated` programs: covariances under any noise, at once and a lag apart

    Parameters
    ----------
    device : Device
        What to check.
    temperature : float, optional
        T of its law.
    n_se : float, optional
        Standard errors allowed in comparisons of moments.
    tolerance : float, optional
        What moments may be off by beside their noise, relative to the largest: the precision that a device states. A
        singular matrix may then relax at a rate of as much.
    copies : int, optional
        Copies of the device that run side by side where moments are compared, at least 16; fewer of a slow device find
        larger faults only.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; the default makes the suite repeatable.
    skip : sequence of str, optional
        Checks to leave out: a device with known imperfections fails ``"mean"``, say, and is useful all the same.

    Returns
    -------
    tuple of str
        Names of the checks it passed.

    Raises
    ------
    AssertionError
        Some check failed: one line for each, with numbers.
    ValueError
        An unknown name in `skip`, or too few copies.

    See Also
    --------
    thermolinalg.devices.Device : The protocol that is checked.

    Examples
    --------
    >>> import thermolinalg as tla
    >>> "error bars" in check_device(tla.LangevinDevice())
    True
    """
    unknown = set(skip) - CHECKS.keys()
    if unknown:
        raise ValueError(f"skip names unknown checks {sorted(unknown)}; known are {', '.join(CHECKS)}")
    bench = Bench(
        device,
        as_positive(temperature, "temperature"),
        as_positive(n_se, "n_se"),
        as_rng(rng),
        as_nonnegative(tolerance, "tolerance"),
        as_count(copies, "copies"),
    )
    if copies < 16:
        raise ValueError(f"copies must be at least 16, got {copies}: fewer have no spread to compare")
    passed, failed = [], []
    for name, check in CHECKS.items():
        if name in skip or (name in OPTIONAL and not (reads(name, bench) if name in READ else applies(name, bench))):
            continue
        try:
            check(bench)
        except AssertionError as error:
            failed.append(f"{name}: {error}")
        except Exception as error:  # whatever else a device raises is a failure of that check too
            failed.append(f"{name}: {type(error).__name__}: {error}")
        else:
            passed.append(name)
    if failed:
        raise AssertionError(f"{len(failed)} of {len(failed) + len(passed)} checks failed\n" + "\n".join(failed))
    return tuple(passed)


def _protocol(bench: Bench) -> None:
    assert isinstance(bench.device, Device), "a device needs program(operator, *, rng=None)"
    program = bench.program()
    missing = [
        name
        for name in ("rate", "timetable", "describe", "average", "readings", "settle", "ledger")
        if not hasattr(program, name)
    ]
    assert not missing, f"the program lacks {', '.join(missing)}"
    lacking = half_done(program)
    assert not lacking, f"the program lacks {', '.join(lacking)}, although it has others of the same protocol"
    schedule = bench.schedule(program)
    reading = program.average(bench.loads(2), schedule, rng=bench.rng, state=True)
    assert reading.value.shape == (3, 2), f"average of two loads has shape {reading.value.shape}, expected (3, 2)"
    assert reading.state is not None, "average(state=True) returned no state"
    assert reading.state.shape == (3, 2), f"state of two loads has shape {reading.state.shape}, expected (3, 2)"
    path = program.readings(bench.load[:, 0], schedule.with_readings(4), rng=bench.rng)
    assert path.value.shape == (4, 3), f"four readings have shape {path.value.shape}, expected (4, 3)"
    assert isinstance(program.describe(), dict), "describe() must return a dictionary"


def _mean(bench: Bench) -> None:
    program = bench.program()
    sizes = np.geomspace(0.1, 10, bench.copies)
    value = program.average(sizes * bench.loads(), bench.schedule(program, 1000), rng=bench.rng).value
    bench.assert_mean(value / sizes, bench.solution)
    assert np.all(np.isfinite(program.average(0 * bench.load, bench.schedule(program), rng=bench.rng).value)), (
        "the load zero gives NaN or infinity"
    )


def _variance(bench: Bench) -> None:
    bench.assert_in_equilibrium(bench.program().settle(bench.loads(), math.inf, rng=bench.rng).value)


def _stationarity(bench: Bench) -> None:
    program = bench.program()
    state = program.settle(bench.loads(), math.inf, rng=bench.rng).state
    for time in (0.1, 1.0):
        later = program.settle(bench.loads(), time / program.rate(), rng=bench.rng, start=state)
        bench.assert_in_equilibrium(later.value)


def _warm_start(bench: Bench) -> None:
    program = bench.program()
    size = 1.0 if bench.tolerance else 100.0  # a device of some range is within it
    start = np.repeat(size * np.array([[3.0], [-2.0], [1.0]]), bench.copies, axis=1)
    moment = 1e-4 / program.rate()
    close = program.settle(bench.loads(), moment, rng=bench.rng, start=start).value.mean(axis=1)
    allowed = 0.01 * np.abs(start[:, 0]) + 3 * size * bench.tolerance
    assert np.all(np.abs(close - start[:, 0]) < allowed), (
        f"{moment:.2g} after the start {start[:, 0]} the state is {close.round(2)} on average: the start is ignored"
    )
    bench.assert_in_equilibrium(
        program.settle(bench.loads(), RELAXED / program.rate(), rng=bench.rng, start=start).value
    )
    first = program.average(bench.loads(), bench.schedule(program), rng=bench.rng, start=start, state=True)
    bench.assert_mean(first.value, bench.solution)
    bench.assert_in_equilibrium(first.state)


def _readings(bench: Bench) -> None:
    program = bench.program()
    apart = RELAXED / program.rate()
    schedule = Schedule(burn_in=apart, readings=bench.copies, spacing=apart)
    path = program.readings(bench.load[:, 0], schedule, rng=bench.rng)
    bench.assert_in_equilibrium(path.value.T)
    deviations = path.value - path.value.mean(axis=0)
    lagged = np.mean(deviations[1:] * deviations[:-1], axis=0) / np.diagonal(bench.covariance)
    assert np.all(np.abs(lagged) < bench.n_se / bench.copies**0.5), (
        f"readings {RELAXED:g} relaxation times apart are correlated by {lagged.round(3)}"
    )


def _error_bars(bench: Bench) -> None:
    program = bench.program()
    schedule = bench.schedule(program)
    readings = [program.average(bench.load, schedule, rng=bench.rng) for _ in range(bench.runs)]
    _assert_calibrated(np.array([reading.value[:, 0] for reading in readings]), readings, bench.n_se)


def _assert_calibrated(values: np.ndarray, readings: list[Reading], n_se: float) -> None:
    """The variance of values (n, d) over the mean square of their standard errors is 1, as χ² allows."""
    claimed = np.mean([np.asarray(reading.standard_error)[:, 0] ** 2 for reading in readings], axis=0)
    degrees = len(values) - 1
    tail = math.erfc(n_se / 2**0.5) / 2
    low, high = (math.sqrt(chdtri(degrees, above) / degrees) for above in (1 - tail, tail))
    # The standard errors are estimates themselves.
    slack = n_se / math.sqrt(2 * sum(reading.degrees_of_freedom for reading in readings))
    ratio = np.sqrt(values.var(axis=0, ddof=1) / np.where(claimed > 0, claimed, 1e-300))
    assert np.all((ratio > low - slack) & (ratio < high + slack)), (
        f"averages scatter {ratio.round(3)} times as much as their standard errors say; "
        f"between {low - slack:.3f} and {high + slack:.3f} is allowed"
    )


def _timetable(bench: Bench) -> None:
    program = bench.program()
    relative = 0.05
    loads = bench.loads(min(100, bench.copies))
    value = program.average(loads, program.timetable(bench.load, relative), rng=bench.rng).value
    residuals = np.linalg.norm(loads - bench.matrix @ value, axis=0) / np.linalg.norm(bench.load)
    size = float(np.sqrt(np.mean(residuals**2)))
    assert size < 2 * relative + bench.tolerance, f"timetable(b, {relative}) leaves relative residuals of {size:.3g}"


def _scaling(bench: Bench) -> None:
    for factor, gain in ((1e6, 1.0), (1.0, 1e-6), (1e-5, 1e5)):
        program = bench.program(factor)
        schedule = bench.schedule(program)
        readings = [program.average(gain * bench.load, schedule, rng=bench.rng) for _ in range(bench.runs)]
        values = np.array([reading.value[:, 0] for reading in readings])
        bench.assert_mean(values.T, gain / factor * bench.solution)
        _assert_calibrated(values, readings, bench.n_se)


def _noise(bench: Bench) -> None:
    def run() -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(7)
        program = bench.program(rng=rng)
        schedule = bench.schedule(program)
        first, second = (program.average(bench.load, schedule, rng=rng).value for _ in range(2))
        return np.asarray(first), np.asarray(second)

    (first, second), (again, _) = run(), run()
    assert not np.any(first == second), "two runs with one generator gave the same noise"
    assert np.array_equal(first, again), f"equal seeds gave {first[:, 0]} and {again[:, 0]}"
    value = bench.program().settle(bench.loads(2), math.inf, rng=bench.rng).value
    assert not np.any(value[:, 0] == value[:, 1]), "two columns of one run have the same noise"


def _ledger(bench: Bench) -> None:
    program = bench.program()
    assert program.ledger.programs == 1, f"ledger.programs is {program.ledger.programs} after one program"
    runs, time = program.ledger.runs, program.ledger.device_time
    schedule = bench.schedule(program)
    reading = program.average(bench.loads(3), schedule, rng=bench.rng)
    spent = program.ledger.device_time - time
    assert program.ledger.runs - runs == 3, f"three columns were counted as {program.ledger.runs - runs} runs"
    assert math.isclose(spent, 3 * schedule.total), f"ledger: {spent:g} τ for three runs of {schedule.total:g} τ"
    assert math.isclose(reading.device_time, spent), f"the reading says {reading.device_time:g} τ, the ledger {spent:g}"


def _inputs(bench: Bench) -> None:
    operator = Dense(bench.matrix.copy())
    program = bench.device.program(operator, rng=bench.rng)
    load, start = bench.load.copy(), np.full((3, 1), 0.5)
    program.average(load, bench.schedule(program), rng=bench.rng, start=start, state=True)
    program.settle(load, 1.0, rng=bench.rng, start=start)
    program.readings(load[:, 0], bench.schedule(program).with_readings(3), rng=bench.rng, start=start[:, 0])
    assert np.array_equal(operator.matrix, bench.matrix), "the matrix was changed"
    assert np.array_equal(load, bench.load), "the load was changed"
    assert np.all(start == 0.5), "the start was changed"


def _singular(bench: Bench) -> None:
    try:
        rate = bench.device.program(Dense(np.array([[1.0, 1.0], [1.0, 1.0]])), rng=bench.rng).rate()
    except np.linalg.LinAlgError:
        return
    if bench.tolerance and 0 < rate <= bench.tolerance:  # its copy need not be singular
        return
    raise AssertionError(f"the singular matrix [[1, 1], [1, 1]] has rate() = {rate:g} instead of LinAlgError")


CHECKS: dict[str, Callable[[Bench], None]] = {
    "protocol": _protocol,
    "mean": _mean,
    "variance": _variance,
    "stationarity": _stationarity,
    "warm start": _warm_start,
    "readings": _readings,
    "error bars": _error_bars,
    "timetable": _timetable,
    "scaling": _scaling,
    "noise": _noise,
    "ledger": _ledger,
    "inputs": _inputs,
    "singular": _singular,
    **READ,
    **DRIVEN,
    **NOISY,
}
OPTIONAL = READ.keys() | DRIVEN.keys() | NOISY.keys()
