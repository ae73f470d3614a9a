"""Gaussian samples: a device in equilibrium, read."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, eps, is_torch, namespace
from thermolinalg._autograd import detached, refuse_gradients, wants_gradients
from thermolinalg._info import Info, warn
from thermolinalg._progress import seen_as, showing
from thermolinalg._validation import as_count, as_positive, as_rng, is_finite
from thermolinalg.devices import Device, Reading, Schedule
from thermolinalg.devices.watched import AlreadyWritten, watched_program
from thermolinalg.estimation.covariance import effective_readings
from thermolinalg.estimation.health import EXAMINED, Examination, Health
from thermolinalg.operators import Operator
from thermolinalg.operators.read import ReadMatrix, complexify, read_matrix, realify
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._gaussian_units import Units
from thermolinalg.primitives._gradients import Moments, of_gaussian
from thermolinalg.primitives._readings import admitted, declare, end_early, readings_report, relative_rounding
from thermolinalg.primitives._refusals import refusing, require_symmetric
from thermolinalg.primitives._rhs import read_rhs
from thermolinalg.primitives.solver import Solver
from thermolinalg.systems.chosen import undistorted
from thermolinalg.systems.structure import refuse_structurally_singular

__all__ = ["sample"]

ILL_CONDITIONED = 450.0
"""Times eps (1e-13 in double precision): where rcond is below it, samples come with a warning."""


VISIBLE = 0.1
"""Errors of a mean up to so much of the spread around it are not seen in samples."""


@overload
def sample(A: Any = ..., size: Any = ..., *, return_info: Literal[False] = ..., **kwargs: Any) -> Array: ...
@overload
def sample(A: Any = ..., size: Any = ..., *, return_info: Literal[True], **kwargs: Any) -> tuple[Array, Info]: ...


def sample(  # type: ignore[misc] # the options of the overloads are these
    A: Any = None,
    size: int | tuple[int, ...] | None = None,
    *,
    cov: Any = None,
    b: Any = None,
    mean: Any = None,
    temperature: float = 1.0,
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    device: Device | None = None,
    schedule: Schedule | None = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Draw from N(A⁻¹b, T A⁻¹), the equilibrium of a simulated thermodynamic device.

    A is the precision matrix: the reading of the voltages *is* the sample. The load is amplified until the device's
    noise has the temperature asked for in the user's units. Complex Hermitian A gives circular complex samples with
    :math:`E[(z - \mu)(z - \mu)^H] = T A^{-1}`.

    Given the covariance Σ instead, the device holds Σ and relaxes to y ~ N(0, T Σ⁻¹); one digital product makes x = Σ y
    of it, whose covariance Σ (T Σ⁻¹) Σ = T Σ is exact.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d), optional
        Precision matrix, symmetric (Hermitian) positive definite. Torch tensors give torch tensors.
    size : int or tuple of int, optional
        How many samples; None gives one, without a leading dimension, or all readings of `schedule`.
    cov : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d), optional
        Covariance Σ, in place of A: samples of N(mean, T Σ).
    b : array_like, shape (d,), optional
        Load; the mean is A⁻¹b. Default zero.
    mean : array_like, shape (d,), optional
        The mean itself, instead of `b`.
    temperature : float, optional
        T.
    assume_a : str, optional
        As in `solve`, of A or of `cov`: 'pos', 'sym' or 'her' reads one triangle.
    lower : bool, optional
        Which triangle is read when `assume_a` names a symmetric structure.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    schedule : Schedule, optional
        Timetable of the readings, which are then correlated as its spacing makes them, in order. Default: independent
        samples.
    callback : callable, optional
        Shown the samples (k, d) that came last, as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where
        its parameter has that name. StopIteration ends the call with those that came, shape (n, d).
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside the samples.

    Returns
    -------
    samples : array, shape (*size, d)
        In the namespace and dtype of A.
    info : Info
        Only with ``return_info=True``: schedule, autocorrelation time, effective sample size, engine, device time,
        `condition`, and as `rounding` the share of a covariance that rounding may move.

    Raises
    ------
    LinAlgError
        A is not symmetric, singular or not positive definite; the message holds the evidence.
    ValueError
        b or mean do not fit, NaN or infinity, a schedule with another number of readings, both A and `cov`, or samples
        beyond the range of the dtype.
    TypeError
        Object, masked or matrix input; neither A nor `cov`.

    Warns
    -----
    ThermodynamicWarning
        A is so ill-conditioned (rcond below 1e-13) that rounding shows in the covariance of the samples.

    See Also
    --------
    inv : The covariance of what is drawn.
    numpy.random.Generator.multivariate_normal : By a factor of the covariance.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> x = tla.sample(A, 10_000, b=[1.0, 2.0], rng=0)
    >>> x.shape, np.round(x.mean(axis=0), 1), np.round(np.cov(x.T), 1)
    ((10000, 2), array([0.1, 0.6]), array([[ 0.3, -0.1],
           [-0.1,  0.4]]))
    >>> np.round(np.cov(tla.sample(cov=A, size=10_000, rng=0).T), 0)
    array([[4., 1.],
           [1., 3.]])
    """
    if cov is None:
        matrix = A
    elif A is not None:
        raise ValueError("pass A (the inverse of the covariance) or cov, not both")
    elif b is not None:
        raise ValueError("b is a load of A, and cov is its inverse: pass mean")
    else:
        matrix = cov
    with showing(progress, callback, "samples"):
        return _samples(
            matrix,
            size,
            is_covariance=cov is not None,
            b=b,
            mean=mean,
            temperature=temperature,
            assume_a=assume_a,
            lower=lower,
            check_finite=check_finite,
            device=device,
            schedule=schedule,
            rng=rng,
            return_info=return_info,
        )


@batched(core=("matrix",))
def _samples(
    matrix: Any,
    size: int | tuple[int, ...] | None,
    *,
    is_covariance: bool,
    b: Any,
    mean: Any,
    temperature: float,
    assume_a: str | None,
    lower: bool,
    check_finite: bool,
    device: Device | None,
    schedule: Schedule | None,
    rng: Any,
    return_info: bool,
) -> Any:
    """Samples for one matrix, which the device holds, as precision or as covariance."""
    name = "cov" if is_covariance else "A"
    read = read_matrix(matrix, assume_a=assume_a, lower=lower, check_finite=check_finite, gradients=True, name=name)
    operator = require_symmetric(read, "a Gaussian", f"or pass ({name} + {name}.T)/2 if that is what is meant")
    shape, count = _shape_of(size, as_schedule(schedule))
    number, generator = as_positive(detached(temperature), "temperature"), as_rng(rng)
    load, offset = _load_and_offset(read, detached(b), detached(mean), check_finite)
    moments = _tensors(read, b, mean, temperature, load, offset)
    if schedule is not None and wants_gradients(*moments):
        raise TypeError(
            f"readings of a schedule are correlated as {name} says, without a gradient; leave schedule= out"
        )
    if read.shape[0] == 0:
        raise ValueError(f"{name} is empty: there is nothing to sample")
    units = Units.of(operator, number / 2 if read.is_complex else number, is_covariance)
    device = as_device(device)
    with refusing("it has no Gaussian", name, singular="its Gaussian has no density"):
        refuse_structurally_singular(operator, is_complex=read.is_complex)
        program = watched_program(device, units.held(operator), generator)
        rate = program.rate()
        if (itself := undistorted(device, program, units.held(operator))) is not None:
            itself.rate()
    timetable = _timetable(schedule, count, rate)
    if read.is_complex:
        load = realify(load)
    held_load = units.load(load)

    def in_user_units(held: Array) -> Array:
        held = units.back(units.held(operator).apply(held.T) if is_covariance else held.T)
        held = complexify(held) if read.is_complex else held
        return (held if offset is None else held + offset).T

    with seen_as(in_user_units):
        reading = program.readings(held_load[:, 0], timetable, rng=generator, temperature=units.temperature)
    if stopped := len(reading.value) < max(count, 1):
        timetable, count, shape = reading.schedule, len(reading.value), (len(reading.value),)
    health = None
    if not program.vouched:
        share = min(effective_readings(timetable, rate / 2) / timetable.grid()[0], 1.0) if schedule is not None else 1.0
        health = _looked_at(reading.value, program, units, operator, held_load, share)
        if len(reading.value) * share < EXAMINED:
            further, heat = Schedule.for_covariance(EXAMINED, rate), units.temperature
            more = program.readings(held_load[:, 0], further, rng=generator, temperature=heat)
            health = health.add(_looked_at(more.value, program, units, operator, held_load))
    _warn_if_ill_conditioned(name, operator.like, reading.condition)
    _warn_of_mean(name, reading, operator)
    x = in_user_units(reading.value[:count])
    if not is_finite(x):
        raise ValueError(f"the samples leave the range of {dtype_name(abs(x[:0]))}; scale {name}, b or mean")
    x = namespace(x).reshape(x, (*shape, read.shape[0]))
    written = partial(Solver, read, AlreadyWritten(program))
    x = of_gaussian(x, written, moments, generator, is_covariance=is_covariance)
    message = "independent samples" if schedule is None else "correlated samples; leave schedule= out for independent"
    if memory := getattr(program, "remembers", 0.0):
        message = f"samples that 1/f noise correlates over up to {memory:.2g} τ"
    if not getattr(program, "ideal", False):
        tails = getattr(program, "excess_kurtosis", 0.0)
        told_tails = f"has an excess kurtosis of up to {tails:.2g}, and " if tails else ""
        message = f"of the law of this device, which {told_tails}errs in ways that it does not tell; {message}"
    info = readings_report(program, timetable, 1.0, message)
    if stopped:
        end_early(info, count, "samples")
    declare(info, health)
    rounding = relative_rounding(operator.shape[0], operator.like, reading.condition)
    info.update(condition=reading.condition, rounding=rounding)
    # What is returned is the noise itself, and no estimate of anything.
    info.update(noise=None, systematic=None, standard_error=None)
    return (x, info) if return_info else x


def _tensors(read: ReadMatrix, b: Any, mean: Any, temperature: Any, load: Array, offset: Array | None) -> Moments:
    """What the samples are functions of, as tensors; TypeError where gradients have no tensor to follow."""
    if not is_torch(read.operator.like):
        refuse_gradients(temperature, "temperature")
        return Moments(None, None, None, None)
    return Moments(
        read.graph,
        b if is_torch(b) or b is None else load[:, 0],
        mean if is_torch(mean) or offset is None else offset[:, 0],
        temperature if is_torch(temperature) else as_array(temperature, read.operator.like),
    )


def _warn_if_ill_conditioned(name: str, like: Array, condition: float | None) -> None:
    if condition is not None and condition * ILL_CONDITIONED * eps(like) > 1:
        warn(f"{name} has the condition number {condition:.3g}: rounding shows in the covariance of its softest modes")


def _warn_of_mean(name: str, reading: Reading, operator: Operator) -> None:
    """Warn where rounding of a mean that is far from zero is seen beside the spread of the samples around it."""
    x, xp = reading.value, namespace(reading.value)
    if reading.condition is None or x.shape[0] < 2:
        return
    largest = float(xp.max(abs(x))) or 1.0
    mean, spread = float(xp.max(abs(xp.mean(x / largest, axis=0)))), float(xp.max(xp.std(x / largest, axis=0)))
    rounding = relative_rounding(operator.shape[0], operator.like, reading.condition)
    if rounding * mean > VISIBLE * spread:
        warn(
            f"the mean that b gives is far beyond the spread of the samples, and known to {rounding:.2g} of itself "
            f"only; pass mean= (from solve({name}, b)) in place of b="
        )


def _looked_at(
    readings: Array, program: Any, units: Units, operator: Operator, load: Array, share: float = 1.0
) -> Health:
    """What readings (n, d) tell of the device, in its units."""
    examination = Examination(units.held(operator), load, units.temperature, share, allowed=admitted(program))
    examination.take(readings)
    return examination.verdict()


def _shape_of(size: int | tuple[int, ...] | None, schedule: Schedule | None) -> tuple[tuple[int, ...], int]:
    """Leading dimensions of the result, and how many samples that makes."""
    if size is None:
        readings = None if schedule is None else schedule.readings
        return ((), 1) if readings is None else ((readings,), readings)
    shape = tuple(as_count(n, "size", minimum=0) for n in (size if isinstance(size, tuple | list) else (size,)))
    return shape, math.prod(shape)


def _timetable(schedule: Schedule | None, count: int, rate: float) -> Schedule:
    if schedule is None:
        return Schedule.for_covariance(max(count, 1), rate)
    if schedule.readings is None:
        return schedule.with_readings(max(count, 1))
    if schedule.readings != max(count, 1):
        raise ValueError(
            f"size asks for {count} samples where schedule has {schedule.readings} readings; leave size out"
        )
    return schedule


def _load_and_offset(loadable: ReadMatrix, b: Any, mean: Any, check_finite: bool) -> tuple[Array, Array | None]:
    """What is loaded, and what is added to the readings: blocks (d, 1)."""
    if b is not None and mean is not None:
        raise ValueError("pass b (the load, for the mean A⁻¹b) or mean, not both")
    like = loadable.operator.like
    zero = namespace(like).zeros(loadable.shape[0], dtype=like.dtype, device=like.device)
    name, given = ("mean", mean) if b is None else ("b", b)
    if given is None:
        return read_rhs(loadable, zero).block, None
    block = read_rhs(loadable, given, check_finite=check_finite, name=name)
    if not block.is_vector:
        raise ValueError(f"{name} must have one dimension, got shape {tuple(np.shape(given))}")
    if "complex" in dtype_name(block.block) and not loadable.is_complex:
        raise ValueError(f"{name} is complex where A is real; pass A.astype(complex) for circular complex samples")
    column = block.block
    if b is not None:
        return column, None
    return read_rhs(loadable, zero).block, column
