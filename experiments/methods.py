"""The optimisers that are compared: what is searched for each, and how it is built from what was found."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor, nn
from torch.optim import Optimizer

from thermoapps.natural_gradient import (
    TNGD,
    Asynchronous,
    Averaged,
    ConjugateGradient,
    Damping,
    FixedDamping,
    KroneckerFactored,
    NaturalGradient,
    ScheduledDamping,
    SignDescent,
    Solver,
    SolverReport,
    Spring,
    Thermodynamic,
    Woodbury,
)
from thermoapps.natural_gradient.solvers.base import Rows, State

Build = Callable[[nn.Module, int], Optimizer]
"""An optimiser for a model and a seed."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Method:
    """An optimiser and the logarithmic ranges of its settings."""

    make: Callable[..., Optimizer]
    ranges: dict[str, Range]
    color: str

    def points(self, count: int) -> list[dict[str, float]]:
        """Settings to try: scrambled Sobol points, logarithmic in every range."""
        unit = qmc.Sobol(len(self.ranges), seed=0).random(1 << (count - 1).bit_length())[:count]
        low, high = np.log(np.array(list(self.ranges.values())).T)
        values = np.exp(low + unit * (high - low))
        return [{name: float(f"{value:.3g}") for name, value in zip(self.ranges, row, strict=True)} for row in values]

    def build(self, settings: dict[str, float]) -> Build:
        """A builder of this optimiser with these settings."""
        return lambda model, seed: self.make(model, seed, **settings)


def _sgd(model: nn.Module, _: int, lr: float, forget: float = 1.0) -> Optimizer:
    return torch.optim.SGD(model.parameters(), lr, momentum=1 - forget)


def _adam(model: nn.Module, _: int, lr: float, forget: float, shrink: float = 0.0) -> Optimizer:
    if shrink:
        return torch.optim.AdamW(model.parameters(), lr, betas=(1 - forget, 0.999), weight_decay=shrink / lr)
    return torch.optim.Adam(model.parameters(), lr, betas=(1 - forget, 0.999))


def _sign(model: nn.Module, _: int, lr: float) -> Optimizer:
    return SignDescent(model.parameters(), lr)


def _natural(
    model: nn.Module, _: int, lr: float, damping: float, forget: float = 1.0, shrink: float = 0.0, **options: Any
) -> Optimizer:
    decay = shrink * forget / lr  # momentum repeats it 1/forget times
    return NaturalGradient(model, lr, damping, momentum=1 - forget, weight_decay=decay, **options)


def _sign_of_natural(model: nn.Module, _: int, lr: float, damping: float) -> Optimizer:
    return NaturalGradient(model, lr, damping, update=SignDescent)


def _tngd(
    model: nn.Module, seed: int, lr: float, damping: float, late: float = 0, reset: float = 0, **options: float
) -> Optimizer:
    if late:
        return NaturalGradient(model, lr, damping, solver=Asynchronous(Thermodynamic(rng=seed, **options)))
    if reset:
        return NaturalGradient(model, lr, damping, solver=Thermodynamic(rng=seed, start="gradient", **options))
    return TNGD(model, lr, damping, rng=seed, **options)


def _short(
    model: nn.Module,
    seed: int,
    rate: float,
    forget: float,
    time: float,
    shrink: float = 0.0,
    renew: float = 1.0,
    batches: float = 8,
    directions: float = 32,
    **options: Any,
) -> Optimizer:
    """Short runs, along a ramp if it has steps; each batch renews a share of the curvature."""
    ramp = {name: options.pop(name) for name in ("steps", "first_time", "first_forget") if name in options}
    damping: Damping
    device: Solver
    if ramp:
        damping, device = _ramped(forget, time, **ramp)
        lr = rate / forget  # `rate` where it is flat
    else:
        flat = damping_of(forget, time)
        damping, device = FixedDamping(flat), Thermodynamic(time, start="rest", rng=seed)
        lr = rate * flat / forget
    solver = device if renew == 1 else Averaged(device, 1 - renew, int(batches), int(directions))
    return NaturalGradient(model, lr, damping, solver=solver, weight_decay=shrink / lr, **options)


def _spring(model: nn.Module, _: int, lr: float, damping: float, forget: float) -> Optimizer:
    return NaturalGradient(model, lr, damping, solver=Spring(Woodbury(), 1 - forget))


def damping_of(forget: float, time: float) -> float:
    """λ with which a run of this time forgets this share of its state where it is flat."""
    return -math.log(1 - forget) / time


@dataclass(frozen=True)
class Ramped(Solver):
    """Short runs whose time changes from step to step, in units in which directions are gradients where it is flat.

    The damping changes with them, by a schedule of the optimiser. The state of the device is written again in the new
    units, so that what it remembers keeps its weight.
    """

    time: Callable[[int], float]

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        state = dict(state or {"step": 0})
        step, before = state.pop("step"), state.pop("damping", damping)
        if "voltages" in state:
            state["voltages"] = state["voltages"] * (before / damping)
        device = Thermodynamic(self.time(step), start="rest")
        direction, state, report = device.direction(rows, gradient, damping, state)
        return damping * direction, state | {"step": step + 1, "damping": damping}, report


def _ramped(
    forget: float, time: float, steps: float, first_time: float | None = None, first_forget: float | None = None
) -> tuple[ScheduledDamping, Ramped]:
    """From the first time and share of forgetting to the last, evenly in their logarithms, over so many steps."""

    def between(first: float | None, last: float) -> Callable[[int], float]:
        return lambda step: last * ((first or last) / last) ** (1 - min(step / steps, 1.0))

    time_at, forget_at = between(first_time, time), between(first_forget, forget)
    return ScheduledDamping(lambda step: damping_of(forget_at(step), time_at(step))), Ramped(time_at)


def _tngd_adam(
    betas: tuple[float, float], model: nn.Module, seed: int, lr: float, damping: float, time: float, **options: Any
) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "with betas=\\(0, 0\\)", UserWarning)  # That is what is being shown.
        return TNGD(model, lr, damping, time=time, rng=seed, update=partial(torch.optim.Adam, betas=betas), **options)


STEP = {"lr": (0.03, 0.3)}
DAMPING = {"damping": (0.01, 1.0)}
CURVED = STEP | DAMPING
FORGET = {"forget": (0.1, 1.0)}  # 1 − momentum
ANALOG = {"time": (0.5, 50.0)}
SIGNED = {"lr": (1e-4, 3e-3)} | DAMPING

METHODS = {
    "TNGD": Method(_tngd, CURVED | ANALOG, "#c1272d"),
    "TNGD, short": Method(_short, {"rate": STEP["lr"], "forget": (0.05, 0.5), "time": (0.03, 1.0)}, "#ff6f91"),
    "TNGD, averaged": Method(
        _short, {"rate": STEP["lr"], "forget": (0.05, 0.5), "time": (0.03, 1.0), "renew": (0.05, 0.5)}, "#a6344d"
    ),
    "SPRING": Method(_spring, CURVED | FORGET, "#6f7f8f"),
    "NGD (Woodbury)": Method(_natural, CURVED | FORGET, "#1f4e9c"),
    "NGD (CG)": Method(partial(_natural, solver=ConjugateGradient(20, space="rows")), CURVED | FORGET, "#5aa9e6"),
    "K-FAC": Method(partial(_natural, solver=KroneckerFactored(period=10)), CURVED | FORGET, "#2e8b57"),
    "Adam": Method(_adam, {"lr": (3e-4, 3e-2)} | FORGET, "#222222"),
    "SGD": Method(_sgd, {"lr": (3e-3, 0.3)} | FORGET, "#8c8c8c"),
    "TNGD–Adam": Method(partial(_tngd_adam, (0.9, 0.999)), {"lr": (3e-4, 3e-2)} | DAMPING | ANALOG, "#e07b39"),
    "TNGD–Adam, β = (0, 0)": Method(partial(_tngd_adam, (0.0, 0.0)), SIGNED | ANALOG, "#b56fc9"),
    "sign of natural gradient": Method(_sign_of_natural, SIGNED, "#7a5230"),
    "sign of gradient": Method(_sign, {"lr": SIGNED["lr"]}, "#d4a017"),
}
"""By the name in pictures and tables."""
