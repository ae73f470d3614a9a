"""log|det A| of a matrix by a device that holds it, or its negative, or its normal operator."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, eps, namespace, to_numpy
from thermolinalg._info import Info, warn
from thermolinalg._progress import seen_as
from thermolinalg._validation import as_count, as_positive
from thermolinalg.devices import Device, Drivable, Spectrum
from thermolinalg.devices.protocols import as_drivable
from thermolinalg.devices.watched import AlreadyWritten, watched_program
from thermolinalg.estimation.conditional import blocks
from thermolinalg.estimation.deviation import energy_deviation
from thermolinalg.estimation.health import Examination, Health
from thermolinalg.estimation.log_determinant import Budget, Measured, by_integration, by_work, choose_protocol
from thermolinalg.operators import Normal, Operator
from thermolinalg.operators.equilibrate import equilibrate
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.primitives._devices import as_device
from thermolinalg.primitives._gradients import Write
from thermolinalg.primitives._readings import declare, empty_report, end_early
from thermolinalg.primitives._refusals import refusing
from thermolinalg.primitives.solver import Solver
from thermolinalg.systems.rescaled import matrix_exponent
from thermolinalg.systems.structure import refuse_structurally_singular

__all__ = ["Asked", "as_scalar", "is_negative", "measure"]

METHODS = (None, "work", "integration")

ILL_CONDITIONED = 450.0
"""Times eps (1e-13 in double precision): where rcond is below it, an answer comes with a warning."""

EXAMINED = 2048
"""Readings at least of a device that is not the package's own, before it is driven: they see a fifth of a variance."""

MOST_NUMBERS = 5e7
"""Normal numbers that looking at a device may take: about ten seconds."""

LEAST_SHARE = 0.25
"""What rounding leaves of the tolerance is there for the noise, but not less than this: readings grow as its square."""


class Asked(NamedTuple):
    """What a call asks for, as the user wrote it."""

    atol: float
    method: str | None
    max_readings: int | None
    device: Device | None
    rng: np.random.Generator


class Scaled(NamedTuple):
    """A matrix in the range of its numbers, and what scaling it took from log|det A|."""

    operator: Operator
    known: float


def is_negative(operator: Operator) -> bool:
    """Whether a symmetric matrix can be negative definite but not positive definite."""
    diagonal = operator.diagonal()
    if diagonal is not None:
        return bool(diagonal.shape[0]) and float(namespace(diagonal).max(diagonal)) < 0
    if operator.shape[0] == 0:
        return False
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(operator.shape[0], 1))
    vector = as_array(signs, operator.like)
    return float(namespace(vector).sum(vector * operator.apply(vector))) < 0


def measure(
    read: ReadMatrix, hold: Literal["itself", "negated", "normal"], asked: Asked, advice: str
) -> tuple[float, Info, Write]:
    """log|det A|, the report, and what gives A on the device for the solves of a gradient.

    Parameters
    ----------
    read : ReadMatrix
        Square.
    hold : {'itself', 'negated', 'normal'}
        What goes on the device: A, −A or AᵀA.
    asked : Asked
    advice : str
        What a matrix that the device cannot hold is refused with.
    """
    atol, rng = as_positive(asked.atol, "atol"), asked.rng
    if asked.method not in METHODS:
        raise ValueError(f"method must be None, 'work' or 'integration', got {asked.method!r}")
    most = None if asked.max_readings is None else as_count(asked.max_readings, "max_readings")
    device = as_device(asked.device)
    if read.shape[0] == 0:
        return 0.0, empty_report(0.0, "the empty determinant is 1"), partial(Solver, read, device)
    # The real form of a complex matrix, twice the size, has every eigenvalue twice; AᵀA has them squared.
    power = (0.5 if read.is_complex else 1.0) * (0.5 if hold == "normal" else 1.0)
    scaled = _in_range(read.operator, hold)
    name = {"itself": "A", "negated": "−A", "normal": "A"}[hold]
    with refusing(advice, name):
        refuse_structurally_singular(read.operator, is_complex=read.is_complex)
        program: Any = as_drivable(watched_program(device, scaled.operator, rng), device)
        spectrum = program.spectrum()
    start = spectrum.order * math.log(spectrum.start)
    rounding = power * (spectrum.rounding + eps_of_sum(scaled.known, spectrum.offset, start))
    target = max(atol - rounding, LEAST_SHARE * atol) / power
    health, unseen = None, 0.0
    if not (program.own and spectrum.systematic is not None):
        health, unseen = examined(program, scaled.operator, target, rng)
    protocol, reason = (asked.method, "as asked") if asked.method else choose_protocol(spectrum, target)
    run = by_work if protocol == "work" else by_integration

    def of_user(part: float) -> float:
        return float(power * (scaled.known + spectrum.offset + start + part))

    with seen_as(lambda part: as_scalar(of_user(part), read.operator)):
        measured = run(program, spectrum, Budget(target, most), rng)
    value = of_user(measured.value)
    rounding += eps(read.operator.like) * abs(value)
    if "jarzynski" in measured.report:
        known = power * (scaled.known + spectrum.offset + start)
        measured.report["jarzynski"] = measured.report["jarzynski"].rescaled(2 * power, known)
    info = _report(program, spectrum, measured, (protocol, reason), asked, power, rounding, power * unseen)
    if read.notice:
        info.reason = f"{info.reason}; {read.notice}"
    info.condition = math.sqrt(spectrum.condition) if hold == "normal" else spectrum.condition
    poor = info.condition * ILL_CONDITIONED * eps(read.operator.like) > 1
    if poor or not (info.success or measured.stopped):
        told = f"A is ill-conditioned: its condition number is {info.condition:.3g}; " if poor else ""
        warn(told + info.message)
    if health is not None and spectrum.modes is not None:
        values, counts = spectrum.modes
        off = np.float64(measured.value - counts @ np.log(values / spectrum.start))
        with np.errstate(divide="ignore", invalid="ignore"):
            health.note("spectrum", off / (measured.standard_error + rounding / power))
    if measured.stopped:
        end_early(info, info.n_runs, "runs", enough=info.success)
    declare(info, health)
    return value, info, partial(_for_solves, read, program, device, driven=hold != "normal")


def examined(program: Any, operator: Operator, atol: float, rng: np.random.Generator) -> tuple[Health, float]:
    """Health of a device by readings at the end of the way, where it holds A itself; and what they cannot tell.

    They are so many that their energies tell log det A, to first order, with the standard deviation `atol`. This is the
    second number: larger where so many are too many, infinite of a device without readings, 0 of one that is sick.
    """
    if not callable(getattr(program, "readings", None)):
        return Health(), math.inf
    d, examination = operator.shape[0], Examination(operator)
    wanted = max(EXAMINED, min(math.ceil(2 * d / atol**2), int(MOST_NUMBERS / d)))
    for count in (EXAMINED, wanted - EXAMINED):  # a fault that shows in few is looked at no longer
        for reading in blocks(program, operator, count, rng):
            examination.take(reading.value)
        if (health := examination.verdict()).failed:
            break
    return health, 0.0 if health.failed else energy_deviation(d, health.readings)


def _for_solves(read: ReadMatrix, program: Any, device: Device, rng: np.random.Generator, *, driven: bool) -> Solver:
    """A for linear systems: on the program that was driven, unless that holds AᵀA."""
    if driven:
        return Solver(read, AlreadyWritten(program), rng)
    prepared = Solver(replace(read, assume="gen"), device, rng)
    prepared.count_on(program.ledger)
    return prepared


def eps_of_sum(*terms: float) -> float:
    """Rounding of a sum in double precision."""
    return float(np.finfo(float).eps) * sum(map(abs, terms))


def _in_range(operator: Operator, hold: str) -> Scaled:
    """The matrix for the device, its entries near one by powers of two, so that nothing is rounded."""
    if hold != "normal":
        exponent, d = matrix_exponent(operator), operator.shape[0]
        if exponent:
            operator = operator.scaled(2.0**-exponent)
        return Scaled(operator.negated() if hold == "negated" else operator, d * exponent * math.log(2))
    rows, columns = equilibrate(operator)
    known = 0.0
    for scaling in (rows, columns):
        if scaling is not None:
            known -= 2 * float(np.log(to_numpy(scaling).astype(float)).sum())
    operator = operator.rescaled(rows, columns)
    if exponent := matrix_exponent(operator):
        operator = operator.rescaled(None, None, 2.0**-exponent)
        known += 2 * operator.shape[0] * exponent * math.log(2)
    return Scaled(Normal(operator), known)


def _report(
    program: Drivable,
    spectrum: Spectrum,
    measured: Measured,
    protocol: tuple[str, str],
    asked: Asked,
    power: float,
    rounding: float,
    unseen: float,
) -> Info:
    """The report of a measurement."""
    noise = power * measured.standard_error
    systematic = None if spectrum.systematic is None else power * spectrum.systematic
    if unseen > noise:  # what is between them no reading would have shown
        systematic = (systematic or 0.0) + unseen - noise
    atol, error, ledger = float(asked.atol), noise + rounding + (systematic or 0.0), program.ledger
    success = error <= atol
    if success:
        message = f"the standard error {error:.2g} is below atol={atol:g}"
    elif rounding > 0.5 * atol:
        message = (
            f"A is ill-conditioned: rounding alone moves log|det A| by up to {rounding:.2g}, so that the standard "
            f"error {error:.2g} stays above atol={atol:g}; pass a larger atol="
        )
    elif math.isinf(unseen):
        message = "this device has no method readings, which would show whether it is healthy: give it one"
    elif unseen > noise:
        message = (
            f"nobody vouches for this device, and {MOST_NUMBERS:.0g} numbers read from it tell log|det A| to "
            f"{unseen:.2g} only, above atol={atol:g}; pass a larger atol="
        )
    else:
        unlimited = protocol[0] == "work" and asked.max_readings is None
        remedy = "method='integration'" if unlimited else "a larger max_readings="
        message = (
            f"log det has the standard error {error:.2g}, above atol={atol:g}, after {ledger.runs} runs; "
            f"pass a larger atol=, or {remedy}"
        )
    if systematic is None:
        message = (
            f"the error bar holds noise and rounding only: this device errs in ways that it does not tell; {message}"
        )
    return Info(
        success=success,
        status=0 if success else ledger.runs,
        message=message,
        residual_norm=None,
        backward_error=None,
        noise=noise,
        rounding=rounding,
        systematic=systematic,
        standard_error=error,
        method=protocol[0],
        reason=protocol[1],
        n_matvec=0,
        schedule=None,
        failures=list(getattr(program, "failures", ())),
        start=spectrum.start,
        engine=program.describe()["engine"],
        device_time=ledger.device_time,
        ledger=ledger,
        **measured.report,
    )


def as_scalar(value: float, operator: Operator, *, is_complex: bool = False) -> Array:
    """A scalar of the operator's namespace, device and precision."""
    xp, like = namespace(operator.like), operator.like
    kinds = {"float32": xp.complex64, "float64": xp.complex128}
    dtype = kinds[dtype_name(like)] if is_complex else like.dtype
    return xp.asarray(value, dtype=dtype, device=like.device)[()]
