"""How the damping λ goes from step to step."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Damping", "FixedDamping", "LevenbergMarquardt", "ScheduledDamping", "as_damping", "reduction_ratio"]


class Damping(ABC):
    """A rule for λ; rules do not change, and the optimiser keeps the λ that one step leaves for the next.

    See Also
    --------
    FixedDamping, ScheduledDamping, LevenbergMarquardt : Rules of damping.
    """

    attempts: int = 1
    """Times a step may be tried with the λ that `after` gives."""

    judges: bool = False
    """Whether the rule needs the loss after the step, and so ``optimizer.step(closure)``."""

    @abstractmethod
    def at(self, step: int, left: float | None) -> float:
        """λ of a step, counted from 0; `left` is what `after` gave at the step before, None at the first one."""

    def after(self, damping: float, ratio: float) -> float:
        """λ that a step leaves, from the λ it was made with and the ratio ρ of actual to predicted change."""
        return damping

    def accepts(self, ratio: float) -> bool:
        """Whether a step with this ρ stays; −∞ stands for a loss that is not finite."""
        return ratio != -math.inf


@dataclass(frozen=True)
class FixedDamping(Damping):
    """The same λ at every step.

    Parameters
    ----------
    value : float
        λ ≥ 0.

    Raises
    ------
    ValueError
        λ is negative or not finite.

    See Also
    --------
    ScheduledDamping, LevenbergMarquardt, Damping : Rules of damping.

    Examples
    --------
    >>> FixedDamping(0.01).at(7, None)
    0.01
    """

    value: float

    def __post_init__(self) -> None:
        _check_damping(self.value, "damping")

    def at(self, step: int, left: float | None) -> float:
        return self.value


@dataclass(frozen=True)
class ScheduledDamping(Damping):
    """λ as a function of the number of steps made.

    Parameters
    ----------
    schedule : callable
        ``schedule(step)`` gives λ ≥ 0; steps are counted from 0.

    See Also
    --------
    LevenbergMarquardt, Damping, FixedDamping : Rules of damping.

    Examples
    --------
    >>> ScheduledDamping(lambda step: max(0.001, 0.99**step)).at(0, None)
    1.0
    """

    schedule: Callable[[int], float]

    def at(self, step: int, left: float | None) -> float:
        damping = float(self.schedule(step))
        _check_damping(damping, f"the damping scheduled for step {step}")
        return damping


@dataclass(frozen=True)
class LevenbergMarquardt(Damping):
    """λ from how well the quadratic model foretells the loss.

    With p the change of the parameters, ρ compares what the loss did on the same batch with what the model promised,

        ρ = (L(θ + p) − L(θ)) / (gᵀp + ½ ‖R p‖²).

    Where ρ is below `low` λ grows, where it is above `high` λ shrinks. A step with ρ below `acceptable`, with a loss
    that is not finite or with a model that promises no decrease (ρ is NaN) is taken back and tried again with more
    damping.

    Parameters
    ----------
    initial : float
        λ of the first step. Default 1.
    increase, decrease : float
        Factors. Default 3/2 and 2/3.
    low, high : float
        Thresholds of ρ. Default 1/4 and 3/4.
    smallest, largest : float
        Bounds of λ. Default 1e-8 and 1e8.
    acceptable : float
        Least ρ of a step that stays; −∞ keeps every step after which the loss is finite. Default 0: the loss on the
        batch must not rise.
    attempts : int
        How often a step is tried, with the same curvature rows. Default 5.

    Raises
    ------
    ValueError
        A setting out of range.

    See Also
    --------
    Damping, FixedDamping, ScheduledDamping : Rules of damping.

    Notes
    -----
    On small batches ρ is optimistic, since the step was fitted to the very data that judge it, and λ may sink until
    the steps are noise. `smallest` is the remedy.

    References
    ----------
    Martens, Deep learning via Hessian-free optimization, ICML 2010.

    Examples
    --------
    >>> rule = LevenbergMarquardt(initial=3.0)
    >>> rule.after(3.0, ratio=0.9), rule.after(3.0, ratio=0.5), rule.after(3.0, ratio=0.1)
    (2.0, 3.0, 4.5)
    >>> rule.accepts(-0.2)
    False
    """

    initial: float = 1.0
    increase: float = 1.5
    decrease: float = 2 / 3
    low: float = 0.25
    high: float = 0.75
    smallest: float = 1e-8
    largest: float = 1e8
    acceptable: float = 0.0
    attempts: int = 5
    judges = True

    def __post_init__(self) -> None:
        _check_damping(self.initial, "initial")
        if not 0 < self.decrease <= 1 <= self.increase < math.inf:
            raise ValueError(f"need 0 < decrease <= 1 <= increase, got {self.decrease!r} and {self.increase!r}")
        if not self.low <= self.high:
            raise ValueError(f"need low <= high, got {self.low!r} and {self.high!r}")
        if not 0 < self.smallest <= self.largest < math.inf:
            raise ValueError(f"need 0 < smallest <= largest, got {self.smallest!r} and {self.largest!r}")
        if self.attempts != int(self.attempts) or self.attempts < 1:
            raise ValueError(f"attempts must be an integer of at least 1, got {self.attempts!r}")
        if math.isnan(self.acceptable):
            raise ValueError("acceptable must not be NaN")

    def at(self, step: int, left: float | None) -> float:
        return self._bounded(self.initial if left is None else left)

    def after(self, damping: float, ratio: float) -> float:
        if ratio > self.high:
            return self._bounded(damping * self.decrease)
        if ratio >= self.low:
            return damping
        return self._bounded(damping * self.increase)

    def accepts(self, ratio: float) -> bool:
        return ratio != -math.inf and ratio >= self.acceptable

    def _bounded(self, damping: float) -> float:
        return min(max(damping, self.smallest), self.largest)


def as_damping(damping: Damping | float | Callable[[int], float]) -> Damping:
    """A rule from a number or from a function of the step.

    Parameters
    ----------
    damping : Damping, float or callable

    Returns
    -------
    Damping

    Raises
    ------
    TypeError
        None of these.

    Examples
    --------
    >>> as_damping(0.1)
    FixedDamping(value=0.1)
    """
    if isinstance(damping, Damping):
        return damping
    if callable(damping):
        return ScheduledDamping(damping)
    if isinstance(damping, bool) or not hasattr(damping, "__float__"):
        raise TypeError(f"damping must be a number, a function of the step or a Damping, got {damping!r}")
    return FixedDamping(float(damping))


def reduction_ratio(loss: float, new_loss: float, predicted: float, eps: float = sys.float_info.epsilon) -> float:
    """Ratio ρ of the actual to the predicted change of the loss.

    Parameters
    ----------
    loss, new_loss : float
        Loss before and after the step.
    predicted : float
        What the quadratic model says of the change: negative where it promises a decrease.
    eps : float
        Relative accuracy of the losses: where neither change rises above ten times their rounding, ρ = 1.

    Returns
    -------
    float
        −∞ where the new loss is not finite; NaN where the model promises no decrease.

    Examples
    --------
    >>> reduction_ratio(2.0, 1.5, -1.0)
    0.5
    >>> reduction_ratio(2.0, float("nan"), -1.0)
    -inf
    >>> reduction_ratio(2.0, 1.5, 1.0)
    nan
    """
    if not math.isfinite(new_loss):
        return -math.inf
    change = new_loss - loss
    if max(abs(change), abs(predicted)) <= 10 * eps * abs(loss):
        return 1.0
    return change / predicted if predicted < 0 else math.nan


def _check_damping(damping: float, name: str) -> None:
    if not 0 <= damping < math.inf:
        raise ValueError(f"{name} must be finite and not negative, got {damping!r}")
