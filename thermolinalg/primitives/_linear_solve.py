"""One linear system on a prepared device: refined to a tolerance, or read once; and the report of either."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, all_true, column_norms, eps, highest, to_numpy
from thermolinalg._info import Info, warn
from thermolinalg._progress import told, watched
from thermolinalg._validation import is_finite
from thermolinalg.devices import Reading, Schedule
from thermolinalg.devices.watched import DeviceError
from thermolinalg.estimation.certificate import Certificate, error_bar, rounding_bound
from thermolinalg.estimation.health import Health, residual_health
from thermolinalg.estimation.refinement import PROGRESS, SLOW, Goal, State, refine
from thermolinalg.operators.preconditioned import Preconditioned
from thermolinalg.primitives._budget import UNTOLD, error_budget, has_settled, systematic_error
from thermolinalg.primitives._readings import declare
from thermolinalg.primitives._report import bar_entries, largest, once, outer_norms, with_budget, with_device
from thermolinalg.primitives._tolerance import LIMIT, Wanted
from thermolinalg.systems import Chain, Equation
from thermolinalg.systems.placed import Held

__all__ = ["PRECISION", "RAW_RTOL", "solve_raw", "solve_refined"]

PRECISION = 0.1
"""Residual that one run leaves, relative to its load, where the error bar does not ask for a longer window."""

RAW_RTOL = 1e-2
"""Relative error of a single run where none is asked for."""

ALIKE = 3
"""Runs whose timetables are chosen one by one; later residuals are white noise of one kind, and one timetable does."""

OWN_ROUNDING = 100.0
"""Times eps: residual over its scale that a healthy run may have from rounding."""

PATIENCE = 6
"""Runs without progress after which the residual counts as stagnant."""

LONG_PATIENCE = 20
"""The same along conjugate directions, at least; their residuals may grow for the root of the condition number."""


def solve_refined(
    held: Held,
    equation: Equation,
    outer: Chain,
    wanted: Wanted,
    rng: np.random.Generator,
    x0: Array | None = None,
    shape: Callable[[Array], Array] = lambda x: x,
    alike: int = ALIKE,
) -> tuple[Array, Info]:
    """Send residuals back until the goal is reached; x (n, k) in the units of the equation, and the report.

    Parameters
    ----------
    held : Held
    equation : Equation
    outer : Chain
        From the user's numbers to those of the equation.
    wanted : Wanted
    rng : numpy.random.Generator
    x0 : array, shape (n, k), optional
        Start; default zero.
    shape : callable, optional
        Brings blocks (n, k) of the user's numbers into the shape of their b.
    alike : int, optional
        Runs whose timetables are chosen one by one.
    """
    inaccuracy, gain = _inaccuracy(held, equation), held.gain
    goal = replace(wanted.tolerance.goal(equation, outer), inaccuracy=inaccuracy, gain=gain)

    chosen: list[Schedule] = [] if wanted.schedule is None else [replace(wanted.schedule, rough=True)] * alike

    def timetable(r: Array) -> Schedule:
        if len(chosen) < alike:
            chosen.append(replace(held.inverse.timetable(r, PRECISION), rough=True))
        return chosen[-1]

    scale = equation.loads[-1] + (equation.loads[-1] == 0)

    def residual(state: State) -> str:
        return f"residual {highest(state.norms[-1] / scale):.0e}"

    def see(state: State) -> bool:
        norms = to_numpy(state.norms[0])
        return told(
            "solution",
            lambda: {
                "x": shape(outer.back(state.x)),
                "residual_norm": outer_norms(outer, norms),
                "n_runs": state.n_runs,
            },
        )

    slow = SLOW if held.distortion else PROGRESS
    states = refine(equation, held.inverse, x0, timetable, rng, preconditioner=wanted.preconditioner, slow=slow)
    long = wanted.maxiter if held.preconditions else LONG_PATIENCE
    if held.condition is not None and held.distortion:
        long = int(min(max(long, held.condition.number**0.5), wanted.maxiter))
    try:
        with closing(watched(states, "run", tell=residual)) as runs:
            state, certificate, stopped = _run(runs, equation, goal, wanted, see, long)
    except DeviceError as failure:
        _attach(failure, equation, goal, outer, shape)
        raise
    timing = state.schedules[-1] if state.schedules else held.inverse.timetable(equation.rhs, PRECISION)
    bar = once(lambda: error_bar(equation, held.inverse, state, certificate, timing, rng, inaccuracy, gain))
    success = certificate.success
    if success and held.condition is not None and held.condition.poor:
        asked = max(wanted.tolerance.rtol, LIMIT * equation.eps)
        balanced = equation.balanced.solution
        success = bool((balanced(bar().total) <= asked * balanced(state.x)).all())
    message = _refined_message(state, certificate, wanted, held, outer, success=success, stopped=stopped)
    if held.condition is not None and held.condition.poor and not wanted.quiet:
        warn(f"{held.condition.warning}; {message}")
    elif not (success or stopped or wanted.quiet):
        warn(message)
    info = Info(
        success=success,
        status=0 if success else max(state.n_runs, 1),
        message=message,
        n_runs=state.n_runs,
        n_matvec=state.n_matvec,
        residual_norm=outer_norms(outer, certificate.norms),
        backward_error=largest(outer, certificate.backward_error),
        **bar_entries(outer, shape, lambda: bar().noise, lambda: bar().rounding, lambda: 0.0 * bar().noise),
        **({"stopped": True} if stopped else {}),
    )
    return state.x, with_budget(with_device(info, held, state))


def _attach(
    failure: DeviceError, equation: Equation, goal: Goal, outer: Chain, shape: Callable[[Array], Array]
) -> None:
    """What had been found when the device failed, in the user's numbers."""
    state: State = failure.x
    certificate = Certificate.of(equation, state, goal)
    failure.x = shape(outer.back(state.x))
    failure.info = Info(
        success=False,
        status=max(state.n_runs, 1),
        message=str(failure),
        n_runs=state.n_runs,
        n_matvec=state.n_matvec,
        residual_norm=outer_norms(outer, certificate.norms),
        backward_error=largest(outer, certificate.backward_error),
    )


def _run(
    states: Iterator[State],
    equation: Equation,
    goal: Goal,
    wanted: Wanted,
    stops: Callable[[State], bool],
    long: int,
) -> tuple[State, Certificate, bool]:
    """The state at which the refinement ends, its certificate, and whether a callback stopped it."""
    state = next(states)
    best = state.x, state.residual, state.norms, state.sizes
    least, scale = np.inf, equation.loads[-1] + (equation.loads[-1] == 0)
    while True:
        if state.n_runs and stops(state):
            return state, Certificate.of(equation, state, goal), True
        resolved = wanted.resolved is None or wanted.resolved(equation, state)
        if resolved and goal.reached(equation, state):
            break
        worst = highest(state.norms[-1] / scale)
        if worst < least:
            best, least = (state.x, state.residual, state.norms, state.sizes), worst
        done = resolved and state.low is not None and _settled(equation, state)
        patience = long if state.conjugate else PATIENCE
        done = done or state.n_runs >= wanted.maxiter or state.stalled >= patience or not math.isfinite(worst)
        if done or _at_floor(equation, state, goal):
            if state.low is None and worst > least:
                state.x, state.residual, state.norms, state.sizes = best
            break
        try:
            next(states)
        except DeviceError as failure:
            failure.x = state
            raise
    return state, Certificate.of(equation, state, goal), False


def _settled(equation: Equation, state: State) -> bool:
    """Whether the extended iteration has nothing left to correct, in any measure."""
    left, limit = state.left, LIMIT * equation.eps
    if left is None or state.changes is None:
        return False
    return all_true(state.changes * left <= limit * state.sizes)


def _at_floor(equation: Equation, state: State, goal: Goal) -> bool:
    """Whether the iteration stands at the rounding floor and no longer shrinks."""
    return state.stalled >= 2 and Certificate.of(equation, state, goal).success


def _refined_message(
    state: State,
    certificate: Certificate,
    wanted: Wanted,
    held: Held,
    outer: Chain,
    *,
    success: bool,
    stopped: bool,
) -> str:
    """What happened, and what to pass instead."""
    norms, targets = np.atleast_1d(outer_norms(outer, certificate.norms)), certificate.targets
    targets = np.atleast_1d(outer_norms(outer, targets))
    worst = int(np.argmax(np.where(targets > 0, norms / np.where(targets > 0, targets, 1.0), norms)))
    runs = f"{state.n_runs} runs of the device"
    backward = float(certificate.backward_error.max(initial=0.0))
    if certificate.met and success:
        return f"the true residual met its target in {runs}"
    if success:
        return (
            f"as good as this precision allows after {runs}: the true residual {norms[worst]:.3g} is above its target "
            f"{targets[worst]:.3g}, but its backward error {backward:.2g} stands at the rounding floor"
        )
    if stopped:
        return f"stopped by the callback after {state.n_runs} runs"
    doubted = np.any(certificate.reached & certificate.doubted)
    if certificate.success or doubted:
        remedy = " or a device whose copy of A is better, device=None for one" if doubted else ""
        return (
            f"the residual is small (backward error {backward:.2g}) after {runs}, but the error it leaves may not be: "
            f"info.standard_error tells it; pass a larger {wanted.tolerance.name}={remedy}"
        )
    missed = f"the true residual {norms[worst]:.3g} did not reach its target {targets[worst]:.3g} in {runs}"
    larger = f"a larger {wanted.tolerance.name}= (now {wanted.tolerance.rtol:g})"
    if state.n_runs >= wanted.maxiter:
        return f"{missed}; pass {larger}, or a larger maxiter="
    missed = f"{missed}, of which the last {state.stalled} gained little"
    if held.distortion and held.condition is not None:
        return (
            f"{missed}: the device's copy of A is off by {held.distortion:.2g}, and certain to help only below 1/κ, "
            f"{1 / held.condition.number:.2g}; pass a device with smaller imperfections, device=None for one, "
            f"TiledDevice(device, cells=...), which holds blocks of A, or {larger}"
        )
    return f"{missed}; pass {larger}" + ("" if held.inverse.ideal else ", or another device, device=None for one")


def solve_raw(
    held: Held,
    equation: Equation,
    outer: Chain,
    rtol: float | None,
    schedule: Schedule | None,
    rng: np.random.Generator,
    shape: Callable[[Array], Array] = lambda x: x,
) -> tuple[Array, Info]:
    """One run of the device and nothing else: x (n, k) in the units of the equation, and the report."""
    load, asked = equation.rhs, RAW_RTOL if rtol is None else rtol
    timetable = schedule or held.inverse.timetable(load, asked)
    # A state has no form as a solve, which is all that M makes short.
    reading = held.inverse.average(load, timetable, rng=rng, state=not isinstance(held.matrix, Preconditioned))
    x, spent = reading.value, held.inverse.ledger.device_time
    norms, balanced = once(lambda: equation.norms(equation.residual(x))), equation.balanced

    def backward_error() -> Any:
        scale = equation.floor(x)
        return largest(outer, to_numpy(norms()[-1] / (scale + (scale == 0))).astype(float))

    rounding = once(lambda: _rounding_of_one_run(held, equation, x, timetable, rng))
    systematic = systematic_error(held, equation, reading, timetable)
    budget = once(lambda: error_budget(held, equation, reading, timetable, rounding()))
    lines = ["exactly what the device returned; pass refine=True to send the residual back to it"]
    settled = has_settled(held, timetable)
    if systematic is None:
        why = UNTOLD if settled else "the burn-in is too short for the start to be forgotten"
        lines.insert(0, f"the error bar holds noise only: {why};")
    elif not held.inverse.ideal:
        lines.insert(0, "the error bar holds what the imperfections of this device imply, to first order;")
    success = is_finite(x)
    if held.condition is not None and held.poor:
        bar = reading.standard_error + rounding() + (0.0 if systematic is None else systematic)
        success = success and bool((balanced.solution(bar) <= asked * balanced.solution(x)).all())
        warn(held.condition.warning + "; one run of the device may not have resolved it")
    info = Info(
        success=success,
        status=0 if success else 1,
        message=" ".join(lines),
        n_runs=1,
        n_matvec=1,
        residual_norm=lambda: outer_norms(outer, to_numpy(norms()[0]).astype(float)),
        backward_error=backward_error,
        state=None if reading.state is None else shape(outer.back(reading.state)),
        **bar_entries(
            outer,
            shape,
            lambda: reading.standard_error,
            rounding,
            None if systematic is None else lambda: systematic,
        ),
        budget=lambda: budget().mapped(lambda part: shape(outer.back_error(part))),
    )
    state = State(x, x, (), (), n_runs=1, reading=reading, schedules=[timetable])
    # What a bar of noise alone leaves out, the residual shows, unless a start that is still there explains it.
    if reading.replicas is not None and not (held.inverse.own and (systematic is not None or not settled)):
        declare(info, _health(held, equation, reading))
    info = with_device(info, held, state)
    info.device_time = spent  # of the answer; error bars take more
    return x, info


def _health(held: Held, equation: Equation, reading: Reading) -> Health:
    """Whether the residual of a run is one of its noise, in units of the noise."""
    gain = reading.gain
    # Of an embedding α² (A Aᵀ)⁻¹ b is left.
    left = held.inverse.bias * column_norms(equation.rhs)
    rounding = OWN_ROUNDING * equation.eps * equation.floor(reading.value) + left
    return residual_health(equation.residual(reading.value) * gain, equation.product(reading.noise), rounding * gain)


def _rounding_of_one_run(
    held: Held, equation: Equation, x: Array, schedule: Schedule, rng: np.random.Generator
) -> Array:
    """What rounding leaves in a reading: of its numbers, and of the factors that the simulated device rests on."""
    own = max(equation.eps, eps(equation.matrix.like))
    bound, share = rounding_bound(equation, held.inverse, x, schedule, rng, own, even=1.0), _inaccuracy(held, equation)
    if held.condition is not None and held.squared:
        share = min(1.0, share * held.condition.number * x.shape[0])
    # As large as that in norm, and spread over the unknowns as the inverse spreads what is lost of residuals.
    size, least = equation.balanced.solution, share * equation.balanced.solution(equation.asked(x))
    spread = size(equation.asked(bound))
    return bound * equation.xp.maximum(least / (spread + (spread == 0)), 1.0)


def _inaccuracy(held: Held, equation: Equation) -> float:
    """Share of a correction that a factor of an ill-conditioned A may get wrong: eps κ."""
    return 0.0 if held.condition is None else min(1.0, equation.eps * held.condition.number)
