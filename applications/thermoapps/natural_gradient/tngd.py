"""Thermodynamic natural gradient descent, ready to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from thermoapps.natural_gradient.optimizer import NaturalGradient
from thermoapps.natural_gradient.solvers import Thermodynamic
from thermoapps.natural_gradient.step.damping import Damping
from thermolinalg.devices import Device

__all__ = ["TNGD"]


class TNGD(NaturalGradient):
    """Thermodynamic natural gradient descent with the settings of its paper: `NaturalGradient` on a device.

    Parameters
    ----------
    model : nn.Module
        The model.
    lr : float
        η. Default 0.01.
    damping : float, callable or Damping
        λ. Default 0.01.
    time : float
        Analog time t of each step, in units of τ. Default 50, by which the paper's runs have become natural gradients.
    delay : float
        t_d, see `Thermodynamic`. Default 0.
    temperature : float, optional
        κ₀. Default 0, no noise.
    rng : None, int, SeedSequence or numpy.random.Generator
        For the noise.
    device : Device, optional
        As for `Thermodynamic`.
    **options
        As for `NaturalGradient`.

    References
    ----------
    Donatella et al., Thermodynamic Natural Gradient Descent, arXiv:2405.13817.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Linear(3, 2)
    >>> opt = TNGD(model, time=20.0)
    >>> loss = opt.step(lambda: (model(torch.ones(4, 3)), torch.tensor([0, 1, 1, 0])))
    >>> opt.report.device_time
    20.0
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.01,
        damping: Damping | float | Callable[[int], float] = 0.01,
        *,
        time: float = 50.0,
        delay: float = 0.0,
        temperature: float | None = None,
        rng: Any = None,
        device: Device | None = None,
        **options: Any,
    ) -> None:
        solver = Thermodynamic(time, delay=delay, temperature=temperature, rng=rng, device=device)
        super().__init__(model, lr, damping, solver=solver, **options)
