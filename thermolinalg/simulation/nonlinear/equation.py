"""What is stepped: dx = −∇U(x) dt + sqrt(2T) dW between hard rails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, as_array, namespace
from thermolinalg.simulation.nonlinear.energies import read_energy

__all__ = ["Equation"]


@dataclass(frozen=True)
class Equation:
    """Cells of an energy U at a temperature T, of density e^{−U/T} in equilibrium, in units in which mobility is one.

    Parameters
    ----------
    energy : Energy
        U; at least its gradient.
    temperature : float
        T ≥ 0.
    lower, upper : float or array_like, shape (d,)
        Hard rails, at which voltages are reflected. Default: none.

    Raises
    ------
    TypeError
        An energy without a gradient.
    ValueError
        A negative temperature, or rails that leave no room.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.simulation.nonlinear import Equation, Network
    >>> Equation(Network(np.eye(2)), temperature=0.5, lower=0.0).folded(np.array([[-0.25], [2.0]])).ravel()
    array([0.25, 2.  ])
    """

    energy: Any
    temperature: float = 1.0
    lower: Any = -np.inf
    upper: Any = np.inf

    def __post_init__(self) -> None:
        read_energy(self.energy)
        if not 0 <= self.temperature < np.inf:
            raise ValueError(f"temperature must be finite and at least 0, got {self.temperature!r}")
        if not (np.asarray(self.lower) < np.asarray(self.upper)).all():
            raise ValueError("lower must be below upper at every cell: rails that meet leave no room")

    def force(self, x: Array) -> Array:
        """−∇U of every column of x (d, k).

        Raises
        ------
        ValueError
            An energy whose gradient has another shape.
        """
        gradient = self.energy.gradient(x)
        if tuple(gradient.shape) != tuple(x.shape):
            raise ValueError(f"the gradient of x {tuple(x.shape)} has shape {tuple(gradient.shape)}; they must agree")
        return -gradient

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k).

        Raises
        ------
        TypeError
            An energy that has a gradient only.
        """
        value = getattr(self.energy, "value", None)
        if value is None:
            raise TypeError(
                "accepting or refusing a step needs the energy itself; give it a method value(x) of shape (k,)"
            )
        return value(x)

    @property
    def railed(self) -> bool:
        """Whether there are rails."""
        return bool(np.isfinite(self.lower).any() or np.isfinite(self.upper).any())

    def rails(self, x: Array) -> tuple[Array, Array]:
        """Lower and upper rails beside x (d, k): numbers, or columns of them."""
        if isinstance(self.lower, float) and isinstance(self.upper, float):
            return float(self.lower), float(self.upper)  # at every step of a long run
        lower, upper = (as_array(np.asarray(rail, dtype=float), x) for rail in (self.lower, self.upper))
        return lower[:, None] if lower.ndim else lower, upper[:, None] if upper.ndim else upper

    def folded(self, x: Array) -> Array:
        """x reflected at the rails; what overshoots a narrow box from end to end stops at its end."""
        if not self.railed:
            return x
        xp, (lower, upper) = namespace(x), self.rails(x)
        reflected = 2 * xp.minimum(xp.maximum(x, lower), upper)
        reflected -= x
        return xp.minimum(xp.maximum(reflected, lower), upper)

    def inside(self, x: Array) -> Array:
        """Which columns of x (d, k) lie between the rails: (k,)."""
        lower, upper = self.rails(x)
        return namespace(x).all((x >= lower) & (x <= upper), axis=0)
