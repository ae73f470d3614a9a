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
from torch import nn
from torch.optim import Optimizer

from thermoapps.natural_gradient import (
    TNGD,
    Asynchronous,
    ConjugateGradient,
    KroneckerFactored,
    NaturalGradient,
    SignDescent,
    Thermodynamic,
)

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
        unit = qmc.Sobol(len(self.ranges), seed=0).random(count)
        low, high = np.log(np.array(list(self.ranges.values())).T)
        values = np.exp(low + unit * (high - low))
        return [{name: float(f"{value:.3g}") for name, value in zip(self.ranges, row, strict=True)} for row in values]

    def build(self, settings: dict[str, float]) -> Build:
        """A builder of this optimiser with these settings."""
        return lambda model, seed: self.make(model, seed, **settings)


def _sgd(model: nn.Module, _: int, lr: float, forget: float = 1.0) -> Optimizer:
    return torch.optim.SGD(model.parameters(), lr, momentum=1 - forget)


def _adam(model: nn.Module, _: int, lr: float, forget: float) -> Optimizer:
    return torch.optim.Adam(model.parameters(), lr, betas=(1 - forget, 0.999))


def _sign(model: nn.Module, _: int, lr: float) -> Optimizer:
    return SignDescent(model.parameters(), lr)


def _natural(model: nn.Module, _: int, lr: float, damping: float, forget: float = 1.0, **options: Any) -> Optimizer:
    return NaturalGradient(model, lr, damping, momentum=1 - forget, **options)


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


def _short(model: nn.Module, seed: int, rate: float, forget: float, time: float) -> Optimizer:
    damping = -math.log(1 - forget) / time
    return TNGD(model, rate * damping / forget, time=time, memory=1 - forget, rng=seed)  # the rate where it is flat


def _tngd_adam(betas: tuple[float, float], model: nn.Module, seed: int, lr: float, damping: float, time: float) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "with betas=\\(0, 0\\)", UserWarning)  # That is what is being shown.
        return TNGD(model, lr, damping, time=time, rng=seed, update=partial(torch.optim.Adam, betas=betas))


STEP = {"lr": (0.03, 0.3)}
DAMPING = {"damping": (0.01, 1.0)}
CURVED = STEP | DAMPING
FORGET = {"forget": (0.1, 1.0)}  # 1 − momentum
ANALOG = {"time": (0.5, 50.0)}
SIGNED = {"lr": (1e-4, 3e-3)} | DAMPING

METHODS = {
    "TNGD": Method(_tngd, CURVED | ANALOG, "#c1272d"),
    "TNGD, short": Method(_short, {"rate": STEP["lr"], "forget": (0.05, 0.5), "time": (0.03, 1.0)}, "#ff6f91"),
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
