"""A known only by its products."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg._arrays import Array, as_array, as_float64, is_array, is_torch, namespace, to_numpy
from thermolinalg._validation import checked_array, is_finite
from thermolinalg.operators._checks import real
from thermolinalg.operators._even_rows import even_rows
from thermolinalg.operators.base import Operator

__all__ = ["MatrixFree", "product", "tensor_like"]

FEW = 1024
"""Rows up to which a map is formed from its products sooner than it is balanced by them."""


def product(operator: LinearOperator, block: np.ndarray) -> np.ndarray:
    """Product of any LinearOperator with a block (n, k); some take nothing but vectors (n,), such as Jacobians.

    It is given a block of its own: what it writes there is no business of the caller's.
    """
    block, (m, n) = np.array(block), operator.shape
    with np.errstate(over="ignore", invalid="ignore"):  # whoever takes the product looks at what it gives
        if block.shape[1] != 1:
            with contextlib.suppress(ValueError):
                return _numeric(operator.matmat(block), operator, block)
        try:
            # Copies: a map may hand out the same memory again.
            columns = [np.array(operator.matvec(column))[:, None] for column in block.T]
        except ValueError as error:  # SciPy's own says neither what should have come nor from where
            raise ValueError(f"matvec of a map of shape {(m, n)} must make {m} numbers of {n}: {error}") from error
    if not columns:
        return np.zeros((m, 0), block.dtype)
    return _numeric(columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1), operator, block)


def _numeric(found: Any, operator: LinearOperator, block: np.ndarray) -> np.ndarray:
    """A product, where it is one of numbers, and of real ones where map and block are real."""
    array = np.asarray(found)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"products with a map must be numbers, not {array.dtype}")
    if array.dtype.kind == "c" and block.dtype.kind != "c" and np.dtype(operator.dtype or float).kind != "c":
        raise TypeError(
            f"products with a map must be real numbers, as its dtype {operator.dtype} says, not {array.dtype}"
        )
    return array


class MatrixFree(Operator):
    """A map known only by its products.

    Parameters
    ----------
    operator : LinearOperator or object, shape (m, n)
        Anything `scipy.sparse.linalg.aslinearoperator` takes, or an object with ``shape`` and the products
        ``apply(V)``, ``apply_transposed(U)`` with blocks of columns, or ``matvec``, ``rmatvec`` with vectors; and
        ``gram()`` returning A Aᵀ if it has a cheap way to it.
    symmetric : bool, optional
        Whether Aᵀ = A.
    like : array, optional
        An array of the namespace, dtype and device of its vectors. By default its attribute ``like``, or ``dtype``
        and ``device``, else NumPy float64.
    name : str, optional
        What to call A in errors.

    Raises
    ------
    TypeError
        It is complex or has no products.

    See Also
    --------
    Diagonal, Dense, Sparse : Matrices by how they are stored.

    Notes
    -----
    Products that are NaN or infinite, or have the wrong shape, are refused with a ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> A = MatrixFree(aslinearoperator(np.array([[2.0, 1.0], [1.0, 2.0]])))
    >>> A @ np.array([1.0, 0.0])
    array([2., 1.])
    """

    structure = "matrix-free"

    def __init__(self, operator: Any, *, symmetric: bool = True, like: Array | None = None, name: str = "A") -> None:
        if isinstance(operator, np.ndarray) or scipy.sparse.issparse(operator):
            operator = aslinearoperator(operator)
        m, n = operator.shape
        like = _place(operator, name) if like is None else like
        super().__init__(like.dtype, (int(m), int(n)), like)
        self.operator, self.symmetric, self.name = operator, symmetric, name
        self._product, self._transposed_product = _products(operator, name)

    def apply(self, block: Array) -> Array:
        return self._placed(self._product(self.operator, block), block, (self.shape[0], block.shape[1]), " V")

    def apply_transposed(self, block: Array) -> Array:
        if self.symmetric:
            return self.apply(block)
        product = self._transposed_product(self.operator, block)
        return self._placed(product, block, (self.shape[1], block.shape[1]), "ᵀ U")

    def _placed(self, product: Array, block: Array, shape: tuple[int, int], what: str) -> Array:
        if tuple(product.shape) != shape:
            raise ValueError(
                f"{self.name} of shape {self.shape} returned {self.name}{what} of shape {tuple(product.shape)}, "
                f"not {shape}"
            )
        if not is_torch(product) and np.asarray(product).dtype.kind not in "fiub":
            raise TypeError(
                f"products with {self.name} must be real numbers, as its dtype {self.dtype} says, not "
                f"{np.asarray(product).dtype}"
            )
        if is_torch(self.like):
            placed = as_array(product, self.like)
        else:
            placed = np.asarray(to_numpy(product), dtype=np.result_type(self.dtype, block.dtype))
        if not is_finite(placed) and is_finite(block):
            raise ValueError(f"products with {self.name} give NaN or infinity")
        return placed

    def jacobi_scaling(self) -> Array | None:
        return self._even_rows if self.symmetric and self.shape[0] > FEW else None

    @cached_property
    def _even_rows(self) -> Array | None:
        """What balances its rows, as a few products show them."""
        return even_rows(self.apply, self.shape[0], self.like)

    def gram(self) -> Array:
        known = getattr(self.operator, "gram", None)
        if not callable(known):
            return super().gram()
        gram, m = known(), self.shape[0]
        if tuple(gram.shape) != (m, m):
            raise ValueError(f"{self.name}.gram() must have shape {(m, m)}, got {tuple(gram.shape)}")
        return as_float64(gram)


_Product = Callable[[Any, Array], Array]
"""Of a source and a block: functions of this module, so that an operator can be pickled where its source can."""


def _products(source: Any, name: str) -> tuple[_Product, _Product]:
    """Products with blocks of columns, from the richest pair of methods the object has."""
    if callable(getattr(source, "apply", None)) and callable(getattr(source, "apply_transposed", None)):
        return _blocks, _transposed_blocks
    if isinstance(source, LinearOperator):
        return _of_linear_operator, _transposed_of_linear_operator
    if callable(getattr(source, "matvec", None)) and callable(getattr(source, "rmatvec", None)):
        return _columns, _transposed_columns
    raise TypeError(
        f"{name} must be an array, a sparse array, a LinearOperator, or an object with apply and apply_transposed "
        f"(or matvec and rmatvec), not {type(source).__name__}"
    )


def _blocks(source: Any, block: Array) -> Array:
    return source.apply(block)


def _transposed_blocks(source: Any, block: Array) -> Array:
    return source.apply_transposed(block)


def _of_linear_operator(source: LinearOperator, block: Array) -> Array:
    return product(source, to_numpy(block))


def _transposed_of_linear_operator(source: LinearOperator, block: Array) -> Array:
    return product(source.H, to_numpy(block))


def _columns(source: Any, block: Array) -> Array:
    return namespace(block).stack([source.matvec(block[:, j]) for j in range(block.shape[1])], axis=1)


def _transposed_columns(source: Any, block: Array) -> Array:
    return namespace(block).stack([source.rmatvec(block[:, j]) for j in range(block.shape[1])], axis=1)


def tensor_like(source: Any) -> Array | None:
    """An empty tensor as the products of a map give them, read off its `like`, or `dtype` and `device`; or None."""
    like = getattr(source, "like", None)
    if is_array(like):
        return like if is_torch(like) else None
    dtype: Any = getattr(source, "dtype", None)
    if not str(dtype).startswith("torch."):
        return None
    import torch

    return checked_array(torch.empty(0, dtype=dtype, device=getattr(source, "device", None)), "dtype")


def _place(source: Any, name: str) -> Array:
    """An empty array where the products of an object live, read off its `like`, or `dtype` and `device`."""
    if is_array(getattr(source, "like", None)):
        return source.like
    tensor = tensor_like(source)
    if tensor is not None:
        return real(tensor, name)
    dtype: Any = getattr(source, "dtype", None) or np.float64
    dtype = real(np.empty(0, dtype), name).dtype
    return np.empty(0, dtype if dtype in (np.float32, np.float64) else np.float64)
