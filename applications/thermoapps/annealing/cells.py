"""Cells that stop at rails and drive each other through comparators."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.sparse.linalg import LinearOperator

from thermoapps._reading import read_count
from thermoapps.annealing.ising import Ising
from thermolinalg.simulation import nonlinear

__all__ = ["AbsorbingRails", "Comparators"]


@dataclass(frozen=True)
class Comparators:
    """What flows into a cell, −∇U = −(K sign(x) + c) − spring · x.

    Only the signs of other cells count, as in discrete simulated bifurcation: a cell at rest at a rail is a spin whose
    flip alone does not pay. It is no gradient of an energy, and therefore has no value for Metropolis's rule.

    Parameters
    ----------
    K : sparse array or LinearOperator, shape (n, n)
        Couplings, amplified.
    c : array, shape (n, 1), optional
        Biases, amplified.
    spring : float, optional
        What holds a cell at zero.

    See Also
    --------
    AbsorbingRails, Bifurcation : Cells that anneal.

    References
    ----------
    Goto, Endo, Suzuki, Sakai, Kanao, Hamakawa, Hidaka, Yamasaki and Tatsumura, Science Advances 7 (2021) eabe7953.
    """

    K: Any
    c: Any = None
    spring: float = 0.0

    @classmethod
    def of(cls, ising: Ising, gain: float, dtype: Any = np.float32) -> Comparators:
        """Couplings and biases of a problem, each row in units of what its spin feels.

        Each cell has an amplifier of its own: spins that feel little move as fast as those that feel much, and a
        problem looks alike in all units.

        Parameters
        ----------
        ising : Ising
        gain : float
            Root of the sum of squares of each row.
        dtype : dtype, optional
            Precision of the cells.

        Returns
        -------
        Comparators
        """
        biases = (gain * (ising.h / ising.scales))[:, None].astype(dtype) if ising.h.any() else None
        if ising.stored:
            return cls((gain * ising.over(ising.scales)).astype(dtype), biases)
        J, column = ising.J, ising.scales[:, None]
        product = lambda x: gain * ((J @ x).reshape(ising.n, -1) / column)  # noqa: E731
        return cls(LinearOperator(J.shape, matvec=product, matmat=product, dtype=float), biases)

    def held(self, spring: float) -> Comparators:
        """The same with another spring."""
        return replace(self, spring=spring)

    def gradient(self, x: Any) -> Any:
        """−current of every column of x (n, k): (n, k)."""
        s = signs(x)
        gradient = np.asarray(self.K @ s, dtype=x.dtype)
        if self.c is not None:
            gradient += self.c
        if self.spring:
            gradient += np.multiply(x, x.dtype.type(self.spring), out=s)
        return gradient


def signs(x: Any) -> Any:
    """±1 in the precision of x: of single precision by its bits, ten times as fast as copysign."""
    if x.dtype != np.float32:
        return np.copysign(x.dtype.type(1), x)
    bits = x.view(np.uint32) & np.uint32(0x80000000)
    bits |= np.uint32(0x3F800000)
    return bits.view(np.float32)


@dataclass(frozen=True)
class AbsorbingRails:
    """Cells with inertia, dv = f dt − γ v dt + sqrt(2γT) dW, whose rails take the momentum of what arrives there.

    Semi-implicit Euler; friction and noise, exact for a free cell, act once in so many steps. With rails that reflect,
    the cells would keep the energy that they have to lose. An integrator for `simulate`, of cells of mass one.

    Parameters
    ----------
    friction : float, optional
        γ ≥ 0.
    every : int, optional
        Steps from one action of friction and noise to the next.

    Raises
    ------
    ValueError
        Numbers out of range.

    See Also
    --------
    Bifurcation, Comparators : Cells that anneal.

    References
    ----------
    Kanao and Goto, Communications Physics 5 (2022) 153, for the heat in simulated bifurcation.
    """

    order: ClassVar[int] = 1
    stable: ClassVar[float] = 4.0

    friction: float = 0.1
    every: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.friction < math.inf:
            raise ValueError(f"friction must be finite and at least 0, got {self.friction}")
        read_count(self.every, "every")

    def begin(self, equation: nonlinear.Equation, x: Any, rng: np.random.Generator) -> nonlinear.State:
        """The state before the first step: velocities of the temperature."""
        kicks = rng.standard_normal(x.shape).astype(x.dtype)
        return nonlinear.State(equation.folded(x), (x.dtype.type(math.sqrt(equation.temperature)) * kicks, 0))

    def advance(
        self, equation: nonlinear.Equation, state: nonlinear.State, step: float, rng: np.random.Generator
    ) -> nonlinear.State:
        """The state a step later."""
        x, (velocity, count) = state.x, state.memory
        force = equation.force(x)
        force *= step
        force += velocity
        velocity = force
        if self.friction and count % self.every == 0:
            kept = math.exp(-self.friction * step * self.every)
            noise = rng.standard_normal(x.shape, dtype=x.dtype.type)
            noise *= math.sqrt(equation.temperature * (1 - kept**2))
            velocity *= kept
            velocity += noise
        flown = step * velocity
        flown += x
        stopped = np.clip(flown, *equation.rails(x))
        velocity *= stopped == flown
        return replace(state, x=stopped, memory=(velocity, count + 1))

    def bias(self, z: float) -> float:
        """Not known: this is no way to equilibrium."""
        return math.inf

    def length(self, ratio: float) -> float:
        """The step with h² × curvature = z."""
        return math.sqrt(ratio)
