"""Right-hand sides: SciPy's shapes in, blocks of columns inside, the same shapes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, eps, is_torch, namespace, to_numpy
from thermolinalg._info import Info
from thermolinalg._validation import checked_array
from thermolinalg.operators.read import ReadMatrix

__all__ = ["RightHandSide", "read_rhs"]


@dataclass(frozen=True)
class RightHandSide:
    """b as a block of columns in the dtype of the result.

    Parameters
    ----------
    block : array, shape (m, k)
    is_vector : bool
        Whether the user's b had one dimension.
    size : int
        Length of a solution.
    exponents : ndarray of int, shape (k,), optional
        The user's columns are 2^exponents times those of `block`.
    matrix_exponent : int, optional
        The user's A is 2^matrix_exponent times the one that goes with `block`.
    """

    block: Array
    is_vector: bool
    size: int
    exponents: np.ndarray | None = None
    matrix_exponent: int = 0

    def restore(self, x: Array) -> Array:
        """A block of solutions (n, k) in the user's units and the shape of their b; see `to_user`."""
        return self._shaped(self.to_user(x))

    def restore_error(self, error: Array) -> Array:
        """A block of standard errors (n, k) in the user's units and the shape of their b."""
        return self._shaped(self.error_to_user(error))

    def _shaped(self, x: Array) -> Array:
        return x[:, 0] if self.is_vector else x

    def to_user(self, x: Array) -> Array:
        """A block of solutions (n, k) in the user's units; ValueError if they leave the range of the dtype."""
        user = self.error_to_user(x)
        if self.exponents is not None:
            _refuse_out_of_range(x, user)
        return user

    def error_to_user(self, error: Array) -> Array:
        """A block of standard errors (n, k) in the user's units; they may be too small for the dtype."""
        return error if self.exponents is None else _times_two_to(self.exponents - self.matrix_exponent, error)

    def from_user(self, x: Array) -> Array:
        """A block of guesses (n, k) of the user's in the units of `block`."""
        return x if self.exponents is None else _times_two_to(self.matrix_exponent - self.exponents, x)

    def norms_to_user(self, norms: Any) -> Any:
        """Norms of residuals, a number or (k,), in the user's units."""
        if self.exponents is None:
            return norms
        scaled = np.ldexp(norms, self.exponents)
        return scaled if np.ndim(norms) else float(scaled[0])

    def tolerance_from_user(self, atol: float | Array) -> float | Array:
        """Absolute tolerances of the user's, a number or (k,), in the units of `block`."""
        if self.exponents is None:
            return atol
        with np.errstate(over="ignore"):
            return as_array(np.ldexp(to_numpy(atol), -self.exponents), abs(self.block[0, :]))

    def empty_solution(self) -> tuple[Array, Info]:
        """What an empty system has: nothing to run."""
        xp = namespace(self.block)
        shape = (self.size, self.block.shape[1])
        x = xp.zeros(shape, dtype=self.block.dtype, device=self.block.device)
        info = Info(success=True, status=0, message="an empty system", n_runs=0, n_matvec=0, residual_norm=0.0)
        return self.restore(x), info


def read_rhs(loadable: ReadMatrix, b: Any, *, check_finite: bool = True, name: str = "b") -> RightHandSide:
    """Check b against A and bring both to one dtype.

    Raises
    ------
    ValueError
        Wrong length, or NaN or infinity.
    TypeError
        b lives in another namespace than A.
    """
    like = loadable.operator.like
    b = checked_array(b, name, check_finite=check_finite, ndim=(1, 2))
    m, n = loadable.shape
    if b.shape[0] != m:
        raise ValueError(
            f"{name} has {b.shape[0]} rows where A has {m}: shapes {tuple(b.shape)} and {(m, n)} do not fit"
        )
    if is_torch(like) and is_torch(b) and b.device != like.device:
        raise ValueError(f"{name} is on {b.device}, A on {like.device}; move one of them")
    if is_torch(b) and not is_torch(like):
        raise TypeError(f"{name} is a torch tensor and A is not; pass both as tensors or {name}.numpy()")
    is_complex = loadable.is_complex or "complex" in dtype_name(b)
    # Torch has no products of mixed types: there the precision of A is that of the result.
    single = dtype_name(like) == "float32" and (is_torch(like) or dtype_name(b) in ("float32", "complex64"))
    block = b[:, None] if b.ndim == 1 else b
    return RightHandSide(_cast(block, like, is_complex, single), b.ndim == 1, n)


def _times_two_to(exponents: np.ndarray, x: Array) -> Array:
    """x (n, k) times 2^exponents, in two halves so that only the result can leave the range."""
    real, half = abs(x[:1, :]), exponents // 2
    with np.errstate(over="ignore", under="ignore"):
        return x * as_array(np.ldexp(1.0, half), real) * as_array(np.ldexp(1.0, exponents - half), real)


def _refuse_out_of_range(x: Array, scaled: Array) -> None:
    """ValueError if scaling x (n, k) made a column overflow, or so small that it lost its digits."""
    xp = namespace(x)
    before, after = xp.max(abs(x), axis=0), xp.max(abs(scaled), axis=0)
    # Below the smallest normal number digits are lost one by one.
    enough = xp.finfo(after.dtype).smallest_normal * eps(after) ** (1 / 3)
    if not bool(xp.all(xp.isfinite(after) & ((after > enough) | (before == 0)))):
        raise ValueError(f"the solution leaves the range of {dtype_name(after)}; scale A or b")


def _cast(block: Array, like: Array, is_complex: bool, single: bool) -> Array:
    if is_torch(like):
        import torch

        names = {(False, True): "float32", (False, False): "float64", (True, True): "complex64"}
        return torch.as_tensor(
            block, dtype=getattr(torch, names.get((is_complex, single), "complex128")), device=like.device
        )
    kind = {(False, True): np.float32, (False, False): np.float64, (True, True): np.complex64}
    return np.asarray(block, dtype=kind.get((is_complex, single), np.complex128))
