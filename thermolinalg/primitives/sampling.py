"""Gaussian samples: a device in equilibrium, read."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, namespace
from thermolinalg._info import Info
from thermolinalg._validation import as_count, as_positive, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import ReadMatrix, complexify, read_matrix, realify
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._readings import readings_report
from thermolinalg.primitives._rhs import read_rhs

__all__ = ["sample"]


@overload
def sample(A: Any, size: Any = ..., *, return_info: Literal[False] = ..., **kwargs: Any) -> Array: ...
@overload
def sample(A: Any, size: Any = ..., *, return_info: Literal[True], **kwargs: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix",))
def sample(
    A: Any,
    size: int | tuple[int, ...] | None = None,
    *,
    b: Any = None,
    mean: Any = None,
    temperature: float = 1.0,
    check_finite: bool = True,
    device: Device | None = None,
    schedule: Schedule | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Draw from N(A⁻¹b, T A⁻¹), the equilibrium of a simulated thermodynamic device.

    A is the precision matrix: the reading of the voltages *is* the sample. The load is amplified until the device's
    noise has the temperature asked for in the user's units. Complex Hermitian A gives circular complex samples with
    :math:`E[(z - \mu)(z - \mu)^H] = T A^{-1}`.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive definite. Torch tensors give torch tensors.
    size : int or tuple of int, optional
        How many samples; None gives one, without a leading dimension, or all readings of `schedule`.
    b : array_like, shape (d,), optional
        Load; the mean is A⁻¹b. Default zero.
    mean : array_like, shape (d,), optional
        The mean itself, instead of `b`.
    temperature : float, optional
        T.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    schedule : Schedule, optional
        Timetable of the readings, which are then correlated as its spacing makes them, in order. Default: independent
        samples.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside the samples.

    Returns
    -------
    samples : array, shape (*size, d)
        In the namespace and dtype of A.
    info : Info
        Only with ``return_info=True``: schedule, autocorrelation time, effective sample size, engine, device time.

    Raises
    ------
    LinAlgError
        A is singular or not positive definite; the message holds the evidence.
    ValueError
        A is not symmetric, b or mean do not fit, NaN or infinity, a schedule with another number of readings.
    TypeError
        Object, masked or matrix input.

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
    """
    loadable = read_matrix(A, check_finite=check_finite)
    if not loadable.symmetric:
        raise ValueError("A must be symmetric (Hermitian): it is the inverse of a covariance matrix")
    shape, count = _shape_of(size, as_schedule(schedule))
    temperature, generator = as_positive(temperature, "temperature"), as_rng(rng)
    load, offset = _load_and_offset(loadable, b, mean, check_finite)
    if loadable.shape[0] == 0:
        raise ValueError("A is empty: there is nothing to sample")
    program = as_device(device).program(loadable.operator, rng=generator)
    rate = program.rate()
    timetable = _timetable(schedule, count, rate)
    if loadable.is_complex:
        load, temperature = realify(load), temperature / 2
    reading = program.readings(load[:, 0], timetable, rng=generator, temperature=temperature)
    x = complexify(reading.value.T).T if loadable.is_complex else reading.value
    x = x[:count] if offset is None else x[:count] + offset[:, 0]
    x = namespace(x).reshape(x, (*shape, loadable.shape[0]))
    if not return_info:
        return x
    message = "independent samples" if schedule is None else "correlated samples; leave schedule= out for independent"
    return x, readings_report(program, timetable, 1.0, message)


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
    zero = as_array(np.zeros(loadable.shape[0]), loadable.operator.like)
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
