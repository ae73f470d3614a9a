"""Thermodynamic natural gradient descent, ready to use."""

from __future__ import annotations

import math
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
    damping : float, callable or Damping, optional
        λ. Default 0.01.
    time : float
        Analog time t of each step, in units of τ. Default 50, by which the paper's runs have become natural gradients.
    memory : float, optional
        Instead of a damping: the share e^{−λt} of its state that the device keeps over a step where the loss is flat,
        in (0, 1). It sets λ = −ln(memory)/t, and the first run starts from zero. See the notes.
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

    See Also
    --------
    ThermodynamicKFAC, NaturalGradient : Optimisers.

    Notes
    -----
    Runs start from the state of the run before. Along directions without curvature that state obeys
    x ← memory · x + (1 − memory)/λ · g: gradient descent with momentum `memory` and the rate lr (1 − memory)/λ. Along
    stiff ones it is the natural gradient. With ``time`` → 0 at a fixed memory all directions become flat ones;
    ``TNGD(model, lr, time=0.1, memory=0.9)`` lies near that end, and its λ = 1.05 is larger than those that natural
    gradients want.

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
    >>> TNGD(model, lr=1.0, time=0.1, memory=0.9).damping
    FixedDamping(value=1.0536...)
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.01,
        damping: Damping | float | Callable[[int], float] | None = None,
        *,
        time: float = 50.0,
        memory: float | None = None,
        delay: float = 0.0,
        temperature: float | None = None,
        rng: Any = None,
        device: Device | None = None,
        **options: Any,
    ) -> None:
        start = "previous"
        if memory is not None:
            if damping is not None:
                raise ValueError("memory= sets the damping; give one of the two")
            start, damping = "rest", _damping_of(memory, time)
        solver = Thermodynamic(time, delay=delay, temperature=temperature, start=start, rng=rng, device=device)
        super().__init__(model, lr, 0.01 if damping is None else damping, solver=solver, **options)


def _damping_of(memory: float, time: float) -> float:
    """The λ with e^{−λt} = memory."""
    if not 0 < memory < 1:
        raise ValueError(f"memory must lie between 0 and 1, got {memory!r}")
    if not 0 < time < math.inf:
        raise ValueError(f"memory needs a time that is positive and finite, got time={time!r}")
    return -math.log(memory) / time
