"""Energies of networks of cells: what couples them, what bends them, what clamps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, all_true, as_array, dtype_name, namespace
from thermolinalg.operators.read import read_matrix

__all__ = ["Clamps", "Energy", "Network", "Saturation", "Scaled", "Sum", "Wells"]

NEAREST = 1 - 2.0**-10
"""Share of its limit up to which the curve of an amplifier is followed: beyond, it holds back 2.8 times as much."""


@runtime_checkable
class Energy(Protocol):
    """U(x) of d cells, for k replicas side by side."""

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k): (k,)."""
        ...

    def gradient(self, x: Array) -> Array:
        """∇U of every column of x (d, k): (d, k)."""
        ...


class Addable:
    """Energies add, and are multiplied by numbers."""

    def __add__(self, other: Energy) -> Sum:
        """The energy of both together."""
        parts = [*_parts(self), *_parts(other)]
        return Sum(tuple(parts))

    def __mul__(self, factor: float) -> Scaled:
        """So many times the energy."""
        return Scaled(float(factor), self)

    __rmul__ = __mul__


@dataclass(frozen=True)
class Sum(Addable):
    """The sum of energies of the same cells; made by ``+``.

    Parameters
    ----------
    parts : tuple of Energy
    """

    parts: tuple[Any, ...]

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k): (k,)."""
        return reduce(lambda total, part: total + part.value(x), self.parts[1:], self.parts[0].value(x))

    def gradient(self, x: Array) -> Array:
        """∇U of every column of x (d, k): (d, k)."""
        return reduce(lambda total, part: total + part.gradient(x), self.parts[1:], self.parts[0].gradient(x))


@dataclass(frozen=True)
class Scaled(Addable):
    """A number times an energy; made by ``*``.

    Parameters
    ----------
    factor : float
        Of either sign.
    energy : Energy

    Raises
    ------
    ValueError
        A factor that is not finite.
    """

    factor: float
    energy: Any

    def __post_init__(self) -> None:
        if not np.isfinite(self.factor):
            raise ValueError(f"an energy is multiplied by a finite number, got {self.factor}")

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k): (k,)."""
        return self.factor * self.energy.value(x)

    def gradient(self, x: Array) -> Array:
        """∇U of every column of x (d, k): (d, k)."""
        return self.factor * self.energy.gradient(x)


@dataclass(frozen=True)
class Network(Addable):
    """Linear couplings and loads, U = ½ xᵀAx − bᵀx.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d)
        Symmetric; it need not be positive definite where something else confines the cells.
    b : array_like, shape (d,) or (d, k), optional
        Loads, of each replica its own where there are k columns; none by default.

    Raises
    ------
    ValueError
        A is not square, or b has another length.
    LinAlgError
        A is not symmetric.

    Examples
    --------
    >>> import numpy as np
    >>> network = Network(np.diag([1.0, 2.0]), [1.0, 0.0])
    >>> network.gradient(np.ones((2, 1))).ravel(), network.value(np.ones((2, 1)))
    (array([0., 2.]), array([0.5]))
    """

    A: Any
    b: Any = None
    _operators: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        read = read_matrix(self.A)
        read.require_symmetric("an energy ½ xᵀAx")
        operator, d = read.operator, read.shape[0]
        if self.b is not None and (np.ndim(self.b) not in (1, 2) or np.shape(self.b)[0] != d):
            raise ValueError(f"b must have shape ({d},) or ({d}, k), one load for each cell, got {np.shape(self.b)}")
        object.__setattr__(self, "_operators", {dtype_name(operator.like): operator})

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k): (k,)."""
        half = self._product(x) / 2
        return namespace(x).sum(x * (half if self.b is None else half - self._load(x)), axis=0)

    def gradient(self, x: Array) -> Array:
        """∇U of every column of x (d, k): (d, k)."""
        gradient = self._product(x)
        return gradient if self.b is None else gradient - self._load(x)

    def _product(self, x: Array) -> Array:
        """A x, in the precision of x."""
        name = dtype_name(x)
        if name not in self._operators:
            converted = (
                self.A.astype(name) if isinstance(self.A, np.ndarray) or scipy.sparse.issparse(self.A) else self.A
            )
            self._operators[name] = read_matrix(converted).operator
        product = self._operators[name].apply(x)
        return product if product.dtype == x.dtype else as_array(product, x)

    def _load(self, x: Array) -> Array:
        b = as_array(self.b, x)
        return b[:, None] if b.ndim == 1 else b


@dataclass(frozen=True)
class Wells(Addable):
    """Bistable cells, U = Σ_i (q x_i⁴/4 − p x_i²/2): wells of depth p²/4q at ±sqrt(p/q); a single one for p ≤ 0.

    Parameters
    ----------
    pump : float or array_like, shape (d,)
        p, of either sign.
    quartic : float or array_like, shape (d,), optional
        q > 0.

    Raises
    ------
    ValueError
        A quartic coefficient that is not positive, or a pump that is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> wells = Wells(2.0)
    >>> wells.value(np.array([[0.0, np.sqrt(2.0)]])).round(12)
    array([ 0., -1.])
    """

    pump: Any
    quartic: Any = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.pump).all():
            raise ValueError(f"pump must be finite, got {self.pump!r}")
        if not (np.isfinite(self.quartic).all() and (np.asarray(self.quartic) > 0).all()):
            raise ValueError(f"quartic must be positive and finite, got {self.quartic!r}; a cell escapes else")

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k): (k,)."""
        squares = x * x
        return namespace(x).sum(squares * (_column(self.quartic, x) * squares / 4 - _column(self.pump, x) / 2), axis=0)

    def gradient(self, x: Array) -> Array:
        """∇U of every column of x (d, k): (d, k)."""
        return x * (_column(self.quartic, x) * x * x - _column(self.pump, x))


@dataclass(frozen=True)
class Clamps(Addable):
    """Rails that give way: diodes of conductance g beyond ±limit, U = Σ_i g/2 · max(|x_i| − limit, 0)².

    Parameters
    ----------
    limit : float or array_like, shape (d,)
        Where they begin to conduct, ≥ 0.
    conductance : float or array_like, shape (d,)
        g > 0.

    Raises
    ------
    ValueError
        Numbers out of range.

    Examples
    --------
    >>> import numpy as np
    >>> Clamps(1.0, 10.0).gradient(np.array([[0.5, 1.5, -2.0]]))
    array([[  0.,   5., -10.]])
    """

    limit: Any
    conductance: Any

    def __post_init__(self) -> None:
        if not (np.asarray(self.limit) >= 0).all():
            raise ValueError(f"limit must be at least 0, got {self.limit!r}")
        if not (np.isfinite(self.conductance).all() and (np.asarray(self.conductance) > 0).all()):
            raise ValueError(f"conductance must be positive and finite, got {self.conductance!r}; hard rails are a box")

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k): (k,)."""
        return namespace(x).sum(_column(self.conductance, x) / 2 * self._beyond(x) ** 2, axis=0)

    def gradient(self, x: Array) -> Array:
        """∇U of every column of x (d, k): (d, k)."""
        return _column(self.conductance, x) * self._beyond(x)

    @property
    def linear_range(self) -> float:
        """Voltage ± up to which nothing bends."""
        return float(np.min(self.limit))

    def _beyond(self, x: Array) -> Array:
        """How far each voltage is beyond its rail, with its sign."""
        limit = _column(self.limit, x) + 0 * x
        return x - namespace(x).clip(x, -limit, limit)


@dataclass(frozen=True)
class Saturation(Addable):
    """Amplifiers whose output is limit · tanh(u/limit): U = g Σ_i ∫ (tanh⁻¹-curve − line), about g x_i⁴/(12 limit²).

    The gradient is g (limit · artanh(x_i/limit) − x_i): what holds an output back from its limit. Beyond it is no
    more: pass the limit as hard rails too, which an `Equation` has.

    Parameters
    ----------
    limit : float or array_like, shape (d,)
        Largest output ±, > 0.
    conductance : float or array_like, shape (d,), optional
        g > 0, of the leak at the input of the amplifier.

    Raises
    ------
    ValueError
        Numbers out of range.

    References
    ----------
    Hopfield, Neurons with graded response, PNAS 81, 3088 (1984).

    Examples
    --------
    >>> import numpy as np
    >>> Saturation(1.0).gradient(np.array([[0.5, 0.9, -0.9]])).round(2)
    array([[ 0.05,  0.57, -0.57]])
    """

    limit: Any
    conductance: Any = 1.0

    def __post_init__(self) -> None:
        for name in ("limit", "conductance"):
            value = np.asarray(getattr(self, name))
            if not (np.isfinite(value).all() and (value > 0).all()):
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)!r}")

    def value(self, x: Array) -> Array:
        """U of every column of x (d, k): (k,)."""
        xp, limit = namespace(x), _column(self.limit, x)
        z = self._share(x)
        integral = z * xp.atanh(z) + xp.log1p(-z * z) / 2 - z * z / 2
        return xp.sum(_column(self.conductance, x) * limit**2 * integral, axis=0)

    def gradient(self, x: Array) -> Array:
        """∇U of every column of x (d, k): (d, k)."""
        z = self._share(x)
        return _column(self.conductance, x) * _column(self.limit, x) * (namespace(x).atanh(z) - z)

    @property
    def rail(self) -> float:
        """Voltage ± that no output gets beyond."""
        return float(np.min(self.limit))

    @property
    def linear_range(self) -> float:
        """Voltage ± up to which an output is held back by less than a fiftieth of itself."""
        return float(np.min(self.limit)) / 4

    def _share(self, x: Array) -> Array:
        """x over the limit, held below one: a step may overshoot."""
        return namespace(x).clip(x / _column(self.limit, x), -NEAREST, NEAREST)


def read_energy(energy: Any) -> Any:
    """The energy, or TypeError where it has no gradient."""
    if not callable(getattr(energy, "gradient", None)):
        raise TypeError(f"an energy has a method gradient(x) for x of shape (d, k), {energy!r} has none")
    return energy


def finite(x: Array) -> bool:
    """Whether all entries are finite."""
    return all_true(namespace(x).isfinite(x))


def _parts(energy: Any) -> tuple[Any, ...]:
    """The terms of a sum, or the energy itself."""
    return energy.parts if isinstance(energy, Sum) else (read_energy(energy),)


def _column(value: Any, x: Array) -> Array:
    """A number as it is, numbers of the cells as a column beside x (d, k)."""
    return float(value) if np.ndim(value) == 0 else as_array(value, x)[:, None]
