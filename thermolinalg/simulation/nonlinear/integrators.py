"""Ways to follow dx = −∇U dt + sqrt(2T) dW in steps of length h, each with its weak order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from thermolinalg._arrays import Array, as_array, namespace, standard_normal
from thermolinalg.simulation.nonlinear.equation import Equation

__all__ = [
    "BAOAB",
    "MALA",
    "EulerMaruyama",
    "Heun",
    "Integrator",
    "LeimkuhlerMatthews",
    "State",
    "TamedEuler",
]


@dataclass(frozen=True)
class State:
    """Voltages, and what an integrator remembers beside them.

    Parameters
    ----------
    x : array, shape (d, k)
    memory : object
        The integrator's own.
    tried, accepted : float
        Steps tried and accepted so far, over all replicas.
    """

    x: Array
    memory: Any = None
    tried: float = 0.0
    accepted: float = 0.0


class Integrator(Protocol):
    """One step of all replicas; `order` is its weak order, `stable` the largest h × curvature that it bears."""

    order: ClassVar[int]
    stable: ClassVar[float]

    def begin(self, equation: Equation, x: Array, rng: np.random.Generator) -> State:
        """The state before the first step."""
        ...

    def advance(self, equation: Equation, state: State, step: float, rng: np.random.Generator) -> State:
        """The state a step later."""
        ...

    def bias(self, z: float) -> float:
        """Relative error of variances in equilibrium, or its leading order, for h × curvature = z."""
        ...

    def length(self, ratio: float) -> float:
        """The step h for a curvature, from z over the curvature."""
        ...


class _Overdamped:
    """What integrators of cells without inertia share."""

    def length(self, ratio: float) -> float:
        """The step whose h × curvature is z, from z over the curvature."""
        return ratio


class _Plain(_Overdamped):
    """What integrators without a memory share."""

    def begin(self, equation: Equation, x: Array, rng: np.random.Generator) -> State:
        """The state before the first step."""
        return State(equation.folded(x))


@dataclass(frozen=True)
class EulerMaruyama(_Plain):
    """x ← x + h f + sqrt(2Th) ξ: weak order 1; multiplies the variance of a linear cell by 2/(2 − λh).

    References
    ----------
    Kloeden and Platen, Numerical Solution of Stochastic Differential Equations, 1992, section 10.2.
    """

    order: ClassVar[int] = 1
    stable: ClassVar[float] = 2.0

    def advance(self, equation: Equation, state: State, step: float, rng: np.random.Generator) -> State:
        """The state a step later."""
        moved, force = _kick(equation, state.x, step, rng), equation.force(state.x)
        force *= step
        moved += force
        moved += state.x
        return replace(state, x=equation.folded(moved))

    def bias(self, z: float) -> float:
        """Of a linear cell, exactly."""
        return z / (2 - z) if z < 2 else math.inf


@dataclass(frozen=True)
class TamedEuler(_Plain):
    """x ← x + h f/(1 + h|f|) + sqrt(2Th) ξ, cell by cell: weak order 1, and stable for any force that points inwards.

    References
    ----------
    Hutzenthaler, Jentzen and Kloeden, Ann. Appl. Probab. 22 (2012) 1611.
    """

    order: ClassVar[int] = 1
    stable: ClassVar[float] = 2.0

    def advance(self, equation: Equation, state: State, step: float, rng: np.random.Generator) -> State:
        """The state a step later."""
        moved = state.x + _tamed(equation.force(state.x), step) + _kick(equation, state.x, step, rng)
        return replace(state, x=equation.folded(moved))

    def bias(self, z: float) -> float:
        """To leading order: h|f| is about sqrt(z) in a cell in equilibrium at T λ = 1, times z."""
        return 2 * z if z < 2 else math.inf


@dataclass(frozen=True)
class Heun(_Plain):
    """The mean of the forces before and after a step of Euler: weak order 2 for noise that does not depend on x.

    References
    ----------
    Kloeden and Platen, 1992, section 15.1.
    """

    order: ClassVar[int] = 2
    stable: ClassVar[float] = 2.0

    def advance(self, equation: Equation, state: State, step: float, rng: np.random.Generator) -> State:
        """The state a step later."""
        kick, force = _kick(equation, state.x, step, rng), equation.force(state.x)
        ahead = equation.folded(state.x + step * force + kick)
        return replace(state, x=equation.folded(state.x + step / 2 * (force + equation.force(ahead)) + kick))

    def bias(self, z: float) -> float:
        """Of a linear cell, exactly: the variance is (2 − z)/(2 − z + z²/2) of what it should be."""
        return z**2 / 2 / (2 - z + z**2 / 2) if z < 2 else math.inf


@dataclass(frozen=True)
class LeimkuhlerMatthews(_Overdamped):
    """x ← x + h f + sqrt(Th/2) (ξ + ξ′), with the next step's ξ′: order 1 on the way, 2 in equilibrium.

    Linear cells have the exact variance in equilibrium. At rails the order falls to that of Euler.

    References
    ----------
    Leimkuhler and Matthews, Appl. Math. Res. Express 2013 (2013) 34.
    """

    order: ClassVar[int] = 2
    stable: ClassVar[float] = 2.0

    def begin(self, equation: Equation, x: Array, rng: np.random.Generator) -> State:
        """The state before the first step."""
        return State(equation.folded(x), standard_normal(rng, tuple(x.shape), x))

    def advance(self, equation: Equation, state: State, step: float, rng: np.random.Generator) -> State:
        """The state a step later."""
        following = standard_normal(rng, tuple(state.x.shape), state.x)
        moved = state.memory + following
        moved *= math.sqrt(equation.temperature * step / 2)
        moved += state.x
        force = equation.force(state.x)
        force *= step
        moved += force
        return replace(state, x=equation.folded(moved), memory=following)

    def bias(self, z: float) -> float:
        """To leading order of what a quartic term adds; none of a linear cell."""
        return z**2 / 4 if z < 2 else math.inf


@dataclass(frozen=True)
class MALA(_Overdamped):
    """A tamed step, accepted or refused by Metropolis's rule: no error in equilibrium, whatever the step and the rails.

    With Euler's own step, replicas far out would propose to overshoot, and be refused for ever.

    References
    ----------
    Roberts and Tweedie, Bernoulli 2 (1996) 341.
    """

    order: ClassVar[int] = 1
    stable: ClassVar[float] = 2.0

    def begin(self, equation: Equation, x: Array, rng: np.random.Generator) -> State:
        """The state before the first step."""
        if equation.temperature == 0:
            raise ValueError(
                "Metropolis's rule needs a temperature above 0; without noise any other integrator will do"
            )
        x = equation.folded(x)
        return State(x, (equation, equation.value(x), equation.force(x)))

    def advance(self, equation: Equation, state: State, step: float, rng: np.random.Generator) -> State:
        """The state a step later."""
        xp, x, (known, value, force) = namespace(state.x), state.x, state.memory
        if known is not equation:  # it changes with time
            value, force = equation.value(x), equation.force(x)
        proposed = x + _tamed(force, step) + _kick(equation, x, step, rng)
        inside = equation.inside(proposed)
        proposed = xp.where(inside[None, :], proposed, x)
        new_value, new_force = equation.value(proposed), equation.force(proposed)
        there, back = proposed - x - _tamed(force, step), x - proposed - _tamed(new_force, step)
        odds = value - new_value + xp.sum(there**2 - back**2, axis=0) / (4 * step)
        lot = as_array(np.log(rng.random(x.shape[1])), x) * equation.temperature
        taken = inside & (odds > lot)
        memory = (equation, xp.where(taken, new_value, value), xp.where(taken[None, :], new_force, force))
        return State(
            xp.where(taken[None, :], proposed, x),
            memory,
            state.tried + x.shape[1],
            state.accepted + float(xp.sum(xp.astype(taken, x.dtype))),
        )

    def bias(self, z: float) -> float:
        """None."""
        return 0.0


@dataclass(frozen=True)
class BAOAB:
    """Cells with inertia, m dv = f dt − γ v dt + sqrt(2γT) dW: kick, drift, exact friction, drift, kick; weak order 2.

    Positions of linear cells have the exact variance in equilibrium. Rails reflect the velocity.

    Parameters
    ----------
    mass : float
        m > 0.
    friction : float
        γ > 0.

    Raises
    ------
    ValueError
        Numbers out of range.

    References
    ----------
    Leimkuhler and Matthews, J. Chem. Phys. 138 (2013) 174102.
    """

    order: ClassVar[int] = 2
    stable: ClassVar[float] = 4.0

    mass: float = field(default=1.0)
    friction: float = field(default=1.0)

    def __post_init__(self) -> None:
        if not (0 < self.mass < math.inf and 0 < self.friction < math.inf):
            raise ValueError(f"need mass > 0 and friction > 0, got {self.mass} and {self.friction}")

    def begin(self, equation: Equation, x: Array, rng: np.random.Generator) -> State:
        """The state before the first step: velocities in equilibrium."""
        x = equation.folded(x)
        velocity = math.sqrt(equation.temperature / self.mass) * standard_normal(rng, tuple(x.shape), x)
        return State(x, (equation, velocity, equation.force(x)))

    def advance(self, equation: Equation, state: State, step: float, rng: np.random.Generator) -> State:
        """The state a step later."""
        x, (known, velocity, force) = state.x, state.memory
        force = force if known is equation else equation.force(x)
        velocity = velocity + step / 2 * force / self.mass
        x, velocity = self._drift(equation, x, velocity, step / 2)
        kept = math.exp(-self.friction * step / self.mass)
        spread = math.sqrt(equation.temperature / self.mass * (1 - kept**2))
        velocity = kept * velocity + spread * standard_normal(rng, tuple(x.shape), x)
        x, velocity = self._drift(equation, x, velocity, step / 2)
        force = equation.force(x)
        return replace(state, x=x, memory=(equation, velocity + step / 2 * force / self.mass, force))

    def bias(self, z: float) -> float:
        """To leading order of what a quartic term adds, with z = h² × curvature/m; none of a linear cell."""
        return z / 4 if z < self.stable else math.inf

    def length(self, ratio: float) -> float:
        """The step with h² × curvature/m = z."""
        return math.sqrt(ratio * self.mass)

    def _drift(self, equation: Equation, x: Array, velocity: Array, time: float) -> tuple[Array, Array]:
        """Free flight between the rails."""
        flown = x + time * velocity
        if not equation.railed:
            return flown, velocity
        folded = equation.folded(flown)
        return folded, namespace(x).where(folded == flown, velocity, -velocity)


def read_integrator(integrator: Any) -> Integrator:
    """The integrator, or TypeError where it cannot begin and advance."""
    if isinstance(integrator, type) or not (hasattr(integrator, "begin") and hasattr(integrator, "advance")):
        raise TypeError(f"integrator must be an object such as MALA(), with begin and advance, got {integrator!r}")
    return integrator  # type: ignore[no-any-return]


def _tamed(force: Array, step: float) -> Array:
    """h f, but never more than 1 in any cell."""
    return step * force / (1 + step * namespace(force).abs(force))


def _kick(equation: Equation, x: Array, step: float, rng: np.random.Generator) -> Array:
    """sqrt(2Th) ξ."""
    kick = standard_normal(rng, tuple(x.shape), x)
    kick *= math.sqrt(2 * equation.temperature * step)
    return kick
