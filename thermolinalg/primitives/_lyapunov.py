"""What solve_continuous_lyapunov works with: the equation in the device's range, and the runs that answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, dtype_name, is_torch, to_numpy
from thermolinalg._validation import checked_array
from thermolinalg.devices import Device, SingularError
from thermolinalg.matrix_functions import largest_eigenvalue
from thermolinalg.operators import Dense, Operator
from thermolinalg.operators._extended import LONG_DOUBLE_IS_WIDER
from thermolinalg.operators.equilibrate import equilibrate
from thermolinalg.primitives._devices import as_device
from thermolinalg.simulation.relaxation import Relaxation, relaxation_of
from thermolinalg.systems import Measure
from thermolinalg.systems.balance import balancing_exponents, units_of
from thermolinalg.systems.held import Condition

__all__ = ["LyapunovEquation", "LyapunovMap", "embedding", "even", "read_equation"]

WHOLE = 512
"""Order up to which a norm takes less time than the products that would tell it otherwise."""


@dataclass(frozen=True)
class LyapunovEquation:
    """The equation in double precision, with a balanced and stable, and ‖a‖ and ‖q‖ near 1.

    A device with the drift S⁻¹ a S under the noise S⁻¹ q S⁻¹ settles to S⁻¹ X S⁻¹, S diagonal of powers of two.

    Parameters
    ----------
    a, q : ndarray, shape (d, d)
    exponents : tuple of int
        The user's X is 2**exponents[1] / 2**exponents[0] times S X S of this equation; their q is 2**exponents[1] times
        S q S.
    scaling : ndarray of int, shape (d,)
        Logarithms of S to base 2.
    single : bool
        Whether the result is in single precision.
    like : array
        An array of the namespace and device of the result.
    device : Device
    relaxation : Relaxation
        How the drift a forgets; in its real form where it is complex.
    """

    a: np.ndarray
    q: np.ndarray
    exponents: tuple[int, int]
    scaling: np.ndarray
    single: bool
    like: Array
    device: Device
    relaxation: Relaxation

    @property
    def is_complex(self) -> bool:
        """Whether X is complex."""
        return np.iscomplexobj(self.q)

    @cached_property
    def hermitian(self) -> bool:
        """Whether q, and with it X, is Hermitian to rounding."""
        q, _ = even(self.q)
        return bool(np.linalg.norm(q - q.conj().T) <= 4 * np.finfo(float).eps * np.linalg.norm(q))

    @cached_property
    def condition(self) -> LyapunovCondition:
        """Of X ↦ a X + X aᴴ in balanced units."""
        return LyapunovCondition.of(self.a, self.relaxation)

    def rounding(self, x: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """What rounding leaves in X as it is read.

        Sums of semidefinite terms lose eps times the condition number where every node is measured by its own spread,
        whatever units a is balanced in.

        Parameters
        ----------
        x, spread : ndarray, shape (d, d)
            X, and the standard deviations of a single reading, at least √(X_ii X_jj).
        """
        sizes = np.diag(spread)
        if not sizes.any():
            return np.zeros_like(spread)
        _, exponents = np.frexp(np.sqrt(np.maximum(sizes, np.min(sizes, where=sizes > 0, initial=np.inf))))
        condition = LyapunovCondition.of(self.a, self.relaxation, exponents)
        share = min(1.0, condition.eps * condition.number) * len(sizes)  # the most that correlations have as a norm
        return np.asarray(condition.eps * np.abs(x) + np.ldexp(share, exponents[:, None] + exponents))

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """The user's units of residuals and solutions, and the balanced ones where they differ."""
        if not self.scaling.any():
            return (Measure(),)
        ones = np.full(self.q.shape, 1 + 1j if self.is_complex else 1.0)
        weights = self.pack(_ldexp(ones, self.scaling[:, None] + self.scaling))[:, 0]
        return units_of(1 / weights, weights)

    @property
    def size_in_units_of_the_user(self) -> float:
        """Norm of X ↦ a X + X aᴴ at most, where a is not balanced."""
        return 2 * float(np.linalg.norm(_ldexp(self.a, self.scaling[:, None] - self.scaling), 2))

    def product(self, x: np.ndarray) -> Array:
        """a x + x aᴴ."""
        return self.a @ x + x @ self.a.conj().T

    def residual(self, x: np.ndarray) -> Array:
        """q − a x − x aᴴ."""
        return self.q - self.product(x)

    def pack(self, x: np.ndarray) -> Array:
        """A matrix as one column of real numbers."""
        return np.ascontiguousarray(x).view(np.float64).reshape(-1, 1)

    def unpack(self, column: np.ndarray) -> Array:
        """The matrix of a column."""
        return np.ascontiguousarray(column).reshape(-1).view(self.q.dtype).reshape(self.q.shape)

    def single_like(self) -> Array:
        """An array of the precision of the result."""
        return np.empty(0, np.float32 if self.single else np.float64)

    def restore(self, x: np.ndarray, *, error: bool = False) -> Array:
        """The solution (or its error, which is real) in the user's units and precision."""
        with np.errstate(over="ignore", under="ignore"):
            scaled = _ldexp(x, self._exponents)
            if self.single:
                scaled = scaled.astype(np.complex64 if self.is_complex and not error else np.float32)
        if not np.isfinite(scaled).all():
            raise OverflowError(f"X leaves the range of {scaled.dtype}: scale q down, or a up")
        if is_torch(self.like):
            import torch

            return torch.as_tensor(scaled, device=self.like.device)
        return scaled

    @property
    def _exponents(self) -> np.ndarray:
        """Powers of two between X of this equation and the user's, entry by entry."""
        e, f = self.exponents
        return np.asarray(self.scaling[:, None] + self.scaling + (f - e))


class LyapunovCondition(Condition):
    """How well conditioned X ↦ a X + X aᴴ is, in balanced units."""

    @classmethod
    def of(cls, a: np.ndarray, relaxation: Relaxation, units: np.ndarray | None = None) -> LyapunovCondition:
        """That of a, with its nodes in units of 2**units: the inverse of the map is largest at the identity."""
        e = np.zeros(len(relaxation.M), dtype=int) if units is None else np.resize(units, len(relaxation.M))
        size = relaxation.norm if units is None else float(np.linalg.norm(_ldexp(a, units - units[:, None]), 2))
        try:
            with np.errstate(all="ignore"):
                X = relaxation.covariance(np.diag(np.ldexp(1.0, 2 * e)))
                largest = _norm(_ldexp(X, -e[:, None] - e))
        except np.linalg.LinAlgError:
            largest = np.inf
        eps = float(np.finfo(float).eps)
        return cls(1 / largest, 2 * size, len(a) * eps, eps)

    @property
    def warning(self) -> str:
        return (
            f"the equation is ill-conditioned: with a balanced, X ↦ a X + X aᴴ has the condition number "
            f"{self.number:.3g} (rcond {self.rcond:.2g})"
        )

    def refuse_singular(self, null_vector: Callable[[], Array | None] = lambda: None) -> None:
        """SingularError where rcond < d · eps, with the evidence; nothing is asked for a null vector."""
        if self.singular:
            inverse = 1 / self.smallest if self.smallest > 0 else np.inf
            raise SingularError(
                f"the equation is singular to working precision: with a balanced, X ↦ a X + X aᴴ has the norm "
                f"{self.largest:.3g} and its inverse {inverse:.3g}, a ratio of "
                f"{self.rcond:.2g} below the rounding {self.rounding:.2g}",
                None,
                self.smallest,
                self.largest,
            )


class LyapunovMap(Operator):
    """X ↦ a X + X aᴴ on columns of real numbers.

    Parameters
    ----------
    equation : LyapunovEquation
    """

    structure = "Lyapunov"
    symmetric = False

    def __init__(self, equation: LyapunovEquation) -> None:
        n = equation.pack(equation.q).shape[0]
        super().__init__(np.dtype(np.float64), (n, n))
        self.equation = equation

    def apply(self, block: Array) -> Array:
        columns = [self.equation.pack(self.equation.product(self.equation.unpack(x))) for x in block.T]
        return np.concatenate(columns, axis=1)

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        equation = self.equation
        wide = np.clongdouble if equation.is_complex else np.longdouble
        if not LONG_DOUBLE_IS_WIDER:
            return None
        a, q = equation.a.astype(wide), equation.unpack(b).astype(wide)
        total = equation.unpack(x).astype(wide) + equation.unpack(low)
        r = (q - a @ total - total @ a.conj().T).astype(equation.q.dtype)
        return equation.pack((r + r.conj().T) / 2 if equation.hermitian else r)

    def absolute(self, block: Array) -> Array:
        a, equation = abs(self.equation.a), self.equation
        columns = []
        for x in block.T:
            size = abs(equation.unpack(x))
            bound = a @ size + size @ a.T
            columns.append(equation.pack(bound * (1 + 1j) if equation.is_complex else bound))
        return np.concatenate(columns, axis=1)


def read_equation(a: Any, q: Any, device: object) -> LyapunovEquation:
    """Check a and q and bring them to the device's side of the imaginary axis and into its range."""
    device = as_device(device, stable=device is None)
    a, q = (checked_array(x, name, ndim=(0, 1, 2)) for x, name in ((a, "a"), (q, "q")))
    if is_torch(a) != is_torch(q):
        raise TypeError("a and q must both be torch tensors, or both not")
    drift, noise = (np.atleast_2d(to_numpy(x)) for x in (a, q))
    for name, x in (("a", drift), ("q", noise)):
        if x.shape[0] != x.shape[1] and x.size:
            raise ValueError(f"{name} must be square, got shape {x.shape}")
    if drift.shape != noise.shape:
        raise ValueError(f"a and q must have the same shape, got {drift.shape} and {noise.shape}")
    single = all(dtype_name(x) in ("float32", "complex64") for x in (a, q))
    (drift, e), (noise, f) = (_normalised(x) for x in (drift, noise))
    if np.iscomplexobj(drift):
        noise = noise.astype(np.complex128)
    scaling = balancing_exponents(drift)
    (drift, e1), (noise, f1) = (
        _normalised(_ldexp(x, exponents))
        for x, exponents in ((drift, scaling - scaling[:, None]), (noise, -scaling - scaling[:, None]))
    )
    exponents = e + e1, f + f1
    relaxation = relaxation_of(embedding(drift) if np.iscomplexobj(drift) else drift)
    side = _side(relaxation, exponents[0])
    equation = LyapunovEquation(
        side * drift, side * noise, exponents, scaling, single, a, device, relaxation.scaled(side)
    )
    if equation.a.size:
        equation.condition.refuse_singular()
    return equation


def _normalised(x: np.ndarray) -> tuple[np.ndarray, int]:
    """x/2ᵏ with entries of size up to 1, exactly, and k."""
    x = np.ascontiguousarray(x, dtype=np.complex128 if np.iscomplexobj(x) else np.float64)
    _, exponent = np.frexp(np.abs(x.view(np.float64)).max(initial=0.0))
    return _ldexp(x, -int(exponent)), int(exponent)


def _ldexp(x: np.ndarray, exponent: int | np.ndarray) -> np.ndarray:
    """x times two to the exponents, exactly."""
    if np.iscomplexobj(x):
        out = np.empty_like(x)
        out.real, out.imag = np.ldexp(x.real, exponent), np.ldexp(x.imag, exponent)
        return out
    return np.asarray(np.ldexp(x, exponent))


def even(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R q R with entries of even size, and the diagonal of R: powers of two."""
    sizes = np.abs(q)
    rows, _ = equilibrate(Dense(np.maximum(sizes, sizes.T), symmetric=True))
    units = np.ones(len(q)) if rows is None else np.asarray(rows)
    return units[:, None] * q * units, units


def _norm(X: np.ndarray) -> float:
    """That of a covariance; of a large one to a per mille."""
    if len(X) <= WHOLE:
        return float(np.linalg.norm(X, 2))
    return largest_eigenvalue(Dense(X, symmetric=True), rtol=1e-3, max_products=100)


def _side(drift: Relaxation, exponent: int) -> int:
    """1 where all eigenvalues are in Re > 0, −1 where all are in Re < 0."""
    eigenvalues = drift.eigenvalues
    if eigenvalues.size == 0:
        return 1
    # A device may have to hold the real form, of twice the size, for the noise if not for a.
    rounding = 2 * len(eigenvalues) * np.finfo(float).eps * drift.norm
    if eigenvalues.real.min() > rounding:
        return 1
    if eigenvalues.real.max() < -rounding:
        return -1
    ends = np.ldexp([eigenvalues.real.min(), eigenvalues.real.max()], exponent)
    if ends[0] > 0 or ends[1] < 0:
        raise np.linalg.LinAlgError(
            f"a device with drift a never settles: the real parts of the eigenvalues of a range from {ends[0]:.6g} to "
            f"{ends[1]:.6g}, and the smallest in size is below rounding, {np.ldexp(rounding, exponent):.3g}"
        )
    raise np.linalg.LinAlgError(
        f"a device with drift a never settles: the real parts of the eigenvalues of a range from {ends[0]:.6g} to "
        f"{ends[1]:.6g}, and all must be positive, or all negative; scipy.linalg.solve_continuous_lyapunov takes such a"
    )


def embedding(x: np.ndarray) -> np.ndarray:
    """[[Re, −Im], [Im, Re]]."""
    return np.block([[x.real, -x.imag], [x.imag, x.real]])
