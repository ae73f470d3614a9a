"""Replicas of nonlinear cells in time, with a step that is short enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, is_array, namespace, standard_normal, to_numpy
from thermolinalg._progress import showing, told, watched
from thermolinalg._validation import as_rng
from thermolinalg.simulation.nonlinear.energies import finite
from thermolinalg.simulation.nonlinear.equation import Equation
from thermolinalg.simulation.nonlinear.integrators import MALA, Integrator, LeimkuhlerMatthews, read_integrator
from thermolinalg.simulation.nonlinear.trajectory import Checkpoint, Trajectory

__all__ = ["chosen_step", "simulate"]

WANTED = 0.574
"""Share of accepted steps at which Metropolis's rule moves fastest (Roberts and Rosenthal, 1998)."""

PILOT = 200
"""Steps in which a step is found."""

POWER = 12
"""Iterations of the power method for the largest curvature."""

Protocol = Equation | Callable[[float], Equation]


def simulate(
    equation: Protocol,
    start: Any,
    *,
    time: float,
    readings: int = 1,
    step: float | None = None,
    tolerance: float = 1e-2,
    integrator: Integrator | None = None,
    rng: Any = None,
    progress: bool = False,
    callback: Callable[..., Any] | None = None,
) -> Trajectory:
    """Step replicas of nonlinear cells side by side, and read them at equal distances in time.

    Parameters
    ----------
    equation : Equation, or callable
        What is stepped; a function of time gives the equation at that time, for schedules of temperature, pump,
        couplings or rails, as `Annealing` does.
    start : array_like or tensor, shape (d,) or (d, k), or Checkpoint
        Voltages at time 0; columns are replicas. From the checkpoint of an earlier run, that run goes on bit for bit
        as if it had never stopped, with the same `integrator` and an equal distance of readings.
    time : float
        How long, > 0; from a checkpoint, how much longer.
    readings : int, optional
        How many, the last at the end.
    step : float, optional
        Largest length of a step; by default found by `chosen_step`, or that of the checkpoint.
    tolerance : float, optional
        Relative error of variances that a chosen step may make.
    integrator : Integrator, optional
        Default: `LeimkuhlerMatthews`.
    rng : None, int or numpy.random.Generator, optional
        From a checkpoint, None is its own generator.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    callback : callable, optional
        Shown every reading, as ``callback(x)``, or as ``callback(intermediate_result=info)`` where its parameter has
        that name; info has `x`, `time` and the `checkpoint` to go on from. StopIteration ends the run there.

    Returns
    -------
    Trajectory
        Its x has shape (readings, d, k), or (readings, d) of a single replica; fewer readings where it was ended.

    Raises
    ------
    TypeError
        What is no integrator.
    ValueError
        Shapes, times or counts out of range.
    OverflowError
        Voltages leave the range of numbers: the step is too long for the force, or nothing confines the cells.

    Examples
    --------
    A bistable cell in equilibrium is in either well:

    >>> import numpy as np
    >>> from thermolinalg.simulation.nonlinear import Equation, Wells, simulate
    >>> cells = Equation(Wells(pump=2.0), temperature=0.4)
    >>> end = simulate(cells, np.zeros((1, 2000)), time=20.0, rng=0).last
    >>> bool(0.45 < np.mean(end > 0) < 0.55), round(float(np.mean(np.abs(end))), 1)
    (True, 1.3)
    """
    if not 0 < time < math.inf or readings < 1:
        raise ValueError(f"need time > 0 and readings ≥ 1, got {time} and {readings}")
    if step is not None and not step > 0:
        raise ValueError(f"step must be positive, got {step}")
    at = equation if callable(equation) else lambda _: equation
    integrator = LeimkuhlerMatthews() if integrator is None else read_integrator(integrator)
    spacing = time / readings
    if isinstance(start, Checkpoint):
        here = replace(start, rng=start.generator() if rng is None else as_rng(rng))
        count, h = _divided(spacing, step or here.step)
        here = here.paced(h)
    else:
        x, single = _read_start(start)
        generator = as_rng(rng)
        if step is None:
            step = chosen_step(at(0.0), x, integrator=integrator, tolerance=tolerance, rng=generator)
        count, h = _divided(spacing, step)
        here = Checkpoint(integrator.begin(at(0.0), x, generator), h, 0, generator, single=single)
    times, read = [], []
    with showing(progress, callback, "voltages"):
        for _ in watched(range(readings), "reading"):
            here = _stepped(at, here, integrator, count)
            times.append(here.time)
            read.append(here.x)
            if told("voltages", lambda: {"x": here.x, "time": here.time, "checkpoint": here.kept()}):
                break
    state = here.state
    acceptance = state.accepted / state.tried if state.tried else None
    return Trajectory(np.array(times), namespace(state.x).stack(read), here.kept(), acceptance)


def _stepped(at: Callable[[float], Equation], here: Checkpoint, integrator: Integrator, count: int) -> Checkpoint:
    """So many steps later; OverflowError where voltages leave the range of numbers."""
    state = here.state
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        for j in range(count):
            t = here.origin + (here.steps + j + 0.5) * here.step
            state = integrator.advance(at(t), state, here.step, here.rng)
    if not finite(state.x):
        raise OverflowError(
            f"voltages overflow by t = {here.time + count * here.step:.3g} in steps of {here.step:.3g}: pass a shorter "
            "step=, integrator=TamedEuler() or MALA(), or an energy that confines the cells"
        )
    return here.after(state, count)


def _divided(spacing: float, step: float) -> tuple[int, float]:
    """How many steps no longer than `step` a spacing takes, and their length."""
    count = math.ceil(spacing / step * (1 - 1e-12))
    return count, spacing / count


def _read_start(start: Any) -> tuple[Array, bool]:
    """Voltages (d, k), and whether there is a single replica."""
    x = start if is_array(start) else np.asarray(start, dtype=float)
    if not is_array(start) or str(x.dtype).startswith(("int", "torch.int")):
        x = namespace(x).astype(x, namespace(x).float64)
    if x.ndim not in (1, 2) or 0 in x.shape or not finite(x):
        raise ValueError(f"start must be finite voltages of shape (d,) or (d, k), got {start!r}")
    return (x[:, None], True) if x.ndim == 1 else (x, False)


def chosen_step(
    equation: Equation,
    start: Array,
    *,
    integrator: Integrator,
    tolerance: float = 1e-2,
    rng: Any = None,
) -> float:
    """A step whose error of variances in equilibrium is about a tolerance, from the curvature that replicas meet.

    A pilot run of the replicas, in steps that follow the largest curvature at hand, shows where they go; the step for
    the largest curvature met is the one returned. With Metropolis's rule there is no error: there the step is the
    longest at which 57 % of the steps are accepted.

    Parameters
    ----------
    equation : Equation
    start : array, shape (d, k)
    integrator : Integrator
    tolerance : float, optional
        Between 0 and 1.
    rng : None, int or numpy.random.Generator, optional

    Returns
    -------
    float

    Raises
    ------
    TypeError
        What is no integrator.
    ValueError
        A tolerance out of range.
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must lie between 0 and 1, got {tolerance}")
    generator = as_rng(rng)
    state = read_integrator(integrator).begin(equation, start, generator)
    pace = _Pace(integrator, _largest_z(integrator, tolerance))
    pace.meet(equation, state.x, generator)
    factor = 1.0
    for i in range(PILOT):
        tried, accepted = state.tried, state.accepted
        state = integrator.advance(equation, state, factor * pace.step, generator)
        if isinstance(integrator, MALA):
            share = (state.accepted - accepted) / (state.tried - tried)
            factor *= math.exp((share - WANTED) / math.sqrt(1 + i))
        elif i % 10 == 9:
            pace.meet(equation, state.x, generator)
    return factor * pace.step


class _Pace:
    """The step for what curvature was met: accurate for that of a typical replica, stable for the largest."""

    def __init__(self, integrator: Integrator, z: float) -> None:
        self.integrator, self.z = integrator, z
        self.typical = self.largest = 1e-12

    @property
    def step(self) -> float:
        """The shorter of both."""
        return self.integrator.length(min(self.z / self.typical, self.integrator.stable / 2 / self.largest))

    def meet(self, equation: Equation, x: Array, rng: np.random.Generator) -> None:
        """Take the curvatures at the replicas x into account."""
        sizes = _curvatures(equation, x, rng)
        self.typical = max(self.typical, float(np.sqrt(np.mean(sizes**2))))
        self.largest = max(self.largest, float(sizes.max()))


def _largest_z(integrator: Integrator, tolerance: float) -> float:
    """The largest h × curvature of a bias below the tolerance, and of half of what is stable."""
    low, high = 0.0, integrator.stable / 2
    if integrator.bias(high) <= tolerance:
        return high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if integrator.bias(middle) <= tolerance else (low, middle)
    return low


def _curvatures(equation: Equation, x: Array, rng: np.random.Generator) -> np.ndarray:
    """Largest curvature at every replica (k,): the power method on differences of forces."""
    xp = namespace(x)
    direction = standard_normal(rng, tuple(x.shape), x)
    force = equation.force(x)
    size = 1e-5 * max(1.0, float(xp.max(xp.abs(x))))
    largest = np.zeros(x.shape[1])
    for _ in range(POWER):
        norms = xp.sqrt(xp.sum(direction**2, axis=0))
        direction = direction / xp.where(norms > 0, norms, xp.ones_like(norms))
        direction = (force - equation.force(x + size * direction)) / size
        largest = np.maximum(largest, np.linalg.norm(to_numpy(direction), axis=0))
    return largest
