"""How a device measures log det A: drives and their work, or readings on the way from aI to A."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from thermolinalg._arrays import Array, dtype_name, namespace, to_numpy
from thermolinalg._info import Info, ThermodynamicWarning
from thermolinalg._validation import as_count, as_positive, as_rng
from thermolinalg.devices import Device, LangevinProgram
from thermolinalg.estimation.free_energy import bennett, jarzynski, thermodynamic_integration
from thermolinalg.laws.work import Drive, work_moments
from thermolinalg.operators import Normal, Operator
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.primitives._devices import as_device
from thermolinalg.primitives._held import BATCHES, Held
from thermolinalg.primitives._range import matrix_exponent

__all__ = ["as_scalar", "measure"]

METHODS = (None, "work", "integration")

CHEAP = 1e7
"""Normal numbers that may be drawn for a protocol of its own merit: about a tenth of a second."""

MOST = 2e9
"""Normal numbers after which drawing trajectories gives up."""

FEWEST = 256
"""Drives each way that the error bar of Bennett's ratio needs."""

MARGIN = 1.15
"""More drives than the error bar should need, so that one round is usually enough."""

DISSIPATION = 0.5
"""Dissipated work of a drive, in units of T, that keeps forward and reverse work well overlapping."""


class Measured(NamedTuple):
    """log det A − d log a as measured, its standard error, and what to report."""

    value: float
    standard_error: float
    report: dict[str, Any]


class WorkPlan(NamedTuple):
    """A drive in jumps, slow enough for the work to overlap, and how often to run it."""

    drive: Drive
    steps: int
    trajectories: int
    dissipation: float


def plan_work(held: Held, atol: float) -> WorkPlan:
    """Choose steps for a dissipation of about T/2 in all, and trajectories for the standard error."""
    drive = Drive(held.start, "geometric", held.interval)
    modes = np.geomspace(*held.interval, held.d) if held.modes is None else held.modes
    steps = 8
    while True:
        moments = work_moments(drive.path(modes, steps))
        dissipated = float(moments.dissipated.sum())
        if dissipated <= DISSIPATION or steps > 2**20:
            break
        steps = math.ceil(steps * max(1.05, dissipated / (0.95 * DISSIPATION)))
    # Var(log det) = 4 Var(ΔF/T) ≈ 4 σ²/(2n) from n drives each way.
    n = max(FEWEST, math.ceil(MARGIN * 2 * float(moments.variance.sum()) / atol**2))
    return WorkPlan(drive, steps, n, dissipated)


def choose_protocol(held: Held, atol: float) -> tuple[str, str]:
    """'work' or 'integration', and the reason."""
    if held.modes is None:
        return "integration", "A is known by its products only: readings on the way cost less than whole drives"
    if not held.drivable:
        return "integration", "the device does not settle to its temperature over the stiffness, as drives would need"
    # The variance falls as 1/steps, so the numbers to draw hardly depend on how many steps there are.
    steps = 64
    spread = float(work_moments(Drive(held.start, "geometric", held.interval).path(held.modes, steps)).variance.sum())
    numbers = 2 * steps * held.d * MARGIN * 2 * spread / atol**2
    if numbers <= CHEAP:
        return "work", f"forward and reverse drives to atol={atol:g} draw {numbers:.1g} numbers, which is cheap"
    return "integration", f"drives to atol={atol:g} would draw {numbers:.1g} numbers; readings on the way are cheaper"


def by_work(held: Held, atol: float, rng: np.random.Generator) -> Measured:
    """Drive from aI to A and back, and let Bennett's acceptance ratio weigh the work."""
    if not held.drivable:
        raise ValueError(
            "the law of this device does not settle to N(0, T A_s^-1), so its work tells no free energy; "
            "pass method='integration' to see by how much it is off"
        )
    plan = plan_work(held, atol)
    affordable = max(2, int(MOST / max(plan.steps * held.d, 1) / 2))
    forward, reverse, wanted = np.empty(0), np.empty(0), plan.trajectories
    while True:
        runs = held.works(plan.drive, plan.steps, min(wanted, affordable) - len(forward), rng)
        forward, reverse = np.concatenate([forward, runs[0]]), np.concatenate([reverse, runs[1]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ThermodynamicWarning)  # the effective sizes are in the report
            estimate, one_sided = bennett(forward, reverse), jarzynski(forward)
        error = 2 * estimate.standard_error if estimate.reliable else math.inf
        if error <= atol or len(forward) >= affordable:
            break
        wanted = math.ceil(len(forward) * min(max(1.05, 1.1 * (error / atol) ** 2), 4.0))
    stages = [held.softest(s) for s in plan.drive.progress(np.linspace(0, 1, plan.steps + 1))]
    time_each = sum(map(held.relaxation_time, stages))
    held.program.ledger.record(held.d, 2 * len(forward), time_each, plan.steps)
    return Measured(
        2 * estimate.value,
        error,
        {
            "steps": plan.steps,
            "trajectories": 2 * len(forward),
            "n_runs": 2 * len(forward),
            "predicted_dissipation": plan.dissipation,
            "measured_dissipation": float((forward.mean() + reverse.mean()) / 2),
            "overlap": estimate.overlap,
            "jarzynski": one_sided,
            "effective_sample_size": estimate.effective_size,
            "degrees_of_freedom": math.inf,
        },
    )


def by_integration(held: Held, atol: float, rng: np.random.Generator, max_readings: int | None) -> Measured:
    """Integrate d(log det A_s)/ds = tr A_s⁻¹(A − aI) from equilibrium readings.

    In the log-odds u of s the integrand is Σ_i [σ(u + ln λ_i/a) − σ(u)], σ the logistic function: analytic in a strip
    of half-width π and decaying like e^{−|u|}, so that the trapezoidal rule with step h errs by e^{−2π²/h} only. Step
    and ends are chosen for a hundredth of the tolerance. A pilot finds the scatter at each node; then readings are
    shared out in proportion to it.
    """
    nodes, step = _log_odds_grid(held, 0.01 * min(atol, 1.0))
    budget = max_readings or (None if held.modes is not None else int(max(5e7 / held.d, 64 * len(nodes))))
    taken = np.full(len(nodes), 4)
    pilot = np.array([np.std(held.readings(u, 4, rng), ddof=1) * 2 for u in nodes])
    counts = _share_out(pilot, step, 0.85 * atol, budget)
    while True:
        taken += counts
        samples = [held.readings(u, int(n), rng) for u, n in zip(nodes, counts, strict=True)]
        estimate = thermodynamic_integration(samples, np.full(len(nodes), step))
        if estimate.standard_error <= atol or (budget is not None and 2 * BATCHES * taken.sum() > budget):
            break
        counts = np.ceil(counts * 1.3 * (estimate.standard_error / atol) ** 2).astype(int)
    spent = BATCHES * int(taken.sum())
    times = [held.relaxation_time(held.softest(float(expit(u)))) for u in nodes]
    held.program.ledger.record(held.d, spent, BATCHES * float(taken @ times) / spent)
    return Measured(
        estimate.value,
        estimate.standard_error,
        {
            "nodes": expit(nodes),
            "readings": BATCHES * counts,
            "n_runs": spent,
            "effective_sample_size": float(BATCHES * counts.min()),
            "degrees_of_freedom": estimate.effective_size,
        },
    )


def _log_odds_grid(held: Held, tolerance: float) -> tuple[NDArray[np.float64], float]:
    """Nodes and step of the trapezoidal rule: aliasing ≤ 8π d e^{−2π²/h}, each tail ≤ d e^{−distance}."""
    soft, stiff = (math.log(end / held.start) for end in held.interval)
    if soft == stiff == 0:
        return np.zeros(1), 1.0
    step = 2 * math.pi**2 / math.log(16 * math.pi * held.d / tolerance)
    tail = math.log(4 * held.d / tolerance)
    return np.arange(-stiff - tail, -soft + tail + step, step), step


def _share_out(deviations: NDArray[np.float64], step: float, atol: float, budget: int | None) -> NDArray[np.int_]:
    """Readings per group at each node, in proportion to their scatter, for a standard error of atol or the budget."""
    total = step * deviations * (step * deviations.sum()) / atol**2
    if budget is None and total.max() > 2.0**50:
        raise ValueError(f"atol={atol:.2g} would take {total.sum():.1g} readings; pass a larger atol=")
    if budget is not None and total.sum() > budget:
        total *= budget / total.sum()
    return np.asarray(np.maximum(1, np.ceil(total / BATCHES)), dtype=int)


def measure(
    loadable: ReadMatrix,
    power: float,
    atol: float,
    method: str | None,
    max_readings: int | None,
    device: Device | None,
    rng: Any,
) -> tuple[float, Info]:
    """log det of the matrix a device holds, times `power`, and the report."""
    atol, generator = as_positive(atol, "atol"), as_rng(rng)
    if method not in METHODS:
        raise ValueError(f"method must be None, 'work' or 'integration', got {method!r}")
    if max_readings is not None:
        max_readings = as_count(max_readings, "max_readings")
    if loadable.shape[0] == 0:
        return 0.0, Info(success=True, status=0, message="the empty determinant is 1", standard_error=0.0, n_runs=0)
    if loadable.is_complex:
        power /= 2  # the real form of twice the size has every eigenvalue twice
    operator = loadable.operator
    if exponent := matrix_exponent(operator):
        operator = operator.scaled(2.0**-exponent)
    if not loadable.symmetric:
        operator, exponent = Normal(operator), 2 * exponent
    device = as_device(device)
    program = device.program(operator, rng=generator)
    if not isinstance(program, LangevinProgram):
        raise TypeError(f"a determinant needs a device that can be driven, such as LangevinDevice; got {device!r}")
    held = Held(program, program.device.law.temperature)
    protocol, reason = (method, "as asked") if method else choose_protocol(held, atol / power)
    if protocol == "work":
        measured = by_work(held, atol / power, generator)
    else:
        measured = by_integration(held, atol / power, generator, max_readings)
    known = held.d * (math.log(held.start) + exponent * math.log(2))
    if program.scaling is not None:
        known -= 2 * float(np.log(to_numpy(program.scaling).astype(float)).sum())
    info = _report(held, measured, protocol, reason, atol, power)
    if protocol == "work":
        info.jarzynski = info.jarzynski.rescaled(2 * power, power * known)
    return power * (known + measured.value), info


def _report(held: Held, measured: Measured, protocol: str, reason: str, atol: float, power: float) -> Info:
    error = power * measured.standard_error
    success = error <= atol
    ledger = held.program.ledger
    if success:
        message = f"the standard error {error:.2g} is below atol={atol:g}"
    else:
        remedy = "method='integration'" if protocol == "work" else "a larger max_readings="
        message = (
            f"log det has the standard error {error:.2g}, above atol={atol:g}, after {ledger.runs} runs; "
            f"pass a larger atol=, or {remedy}"
        )
        warnings.warn(message, ThermodynamicWarning, stacklevel=5)
    return Info(
        success=success,
        status=0 if success else ledger.runs,
        message=message,
        standard_error=error,
        method=protocol,
        reason=reason,
        start=held.start * held.program.factor,
        condition_number=held.interval[1] / held.interval[0],
        engine=held.engine,
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
