"""The third-party surface: what differs between NumPy arrays and torch tensors, in one place.

Everything else in the package is written against the array API namespace returned by `namespace`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.linalg
from array_api_compat import array_namespace, device, is_torch_array

from thermolinalg._ranks import DistributedArray, normal_rows
from thermolinalg._ranks import random_signs as signs_of_rows

Array = Any
"""A NumPy array, a torch tensor or a `DistributedArray` (the array API has no common type to annotate with)."""

__all__ = [
    "Array",
    "add_gram",
    "add_multiple",
    "all_true",
    "any_true",
    "as_array",
    "as_blocks",
    "as_float64",
    "column_maxima",
    "column_norms",
    "dtype_name",
    "eigh",
    "eps",
    "fortran",
    "in_range",
    "is_array",
    "is_distributed",
    "is_sparse_tensor",
    "is_torch",
    "highest",
    "multiple",
    "namespace",
    "on_host",
    "plus_identity",
    "product",
    "random_signs",
    "smallest_normal",
    "standard_normal",
    "to_numpy",
]


_NUMPY = array_namespace(np.empty(0))


def namespace(*arrays: Array) -> Any:
    """Array API namespace shared by the arrays; NumPy's where there is none to read off."""
    for a in arrays:
        if type(a) is not np.ndarray:
            break
    else:
        return _NUMPY
    for a in arrays:
        if is_distributed(a):
            return a.__array_namespace__()
    arrays = tuple(a for a in arrays if is_array(a))
    return array_namespace(*arrays) if arrays else _NUMPY


def is_array(x: object) -> bool:
    """Whether x is a NumPy array, a torch tensor or an array on several ranks."""
    return isinstance(x, np.ndarray) or is_torch(x) or is_distributed(x)


def is_distributed(x: object) -> bool:
    """Whether the rows of x lie on several ranks."""
    return isinstance(x, DistributedArray)


def is_torch(x: object) -> bool:
    """Whether x is a torch tensor, without importing torch."""
    return "torch" in sys.modules and is_torch_array(x)


def is_sparse_tensor(x: Any) -> bool:
    """Whether x is a torch tensor in one of the sparse layouts."""
    return is_torch(x) and str(x.layout) != "torch.strided"


def to_numpy(x: Array) -> np.ndarray:
    """Copy x to the host as a NumPy array (no copy when it is one)."""
    return x.detach().cpu().numpy() if is_torch(x) else np.asarray(x)


def as_array(x: Array, like: Array) -> Array:
    """x in the namespace, dtype and device of `like`; what all ranks have stays as it is beside rows on several."""
    if is_torch(like):
        import torch

        return torch.as_tensor(x, dtype=like.dtype, device=like.device)
    if is_distributed(x):
        return x.astype(like.dtype, copy=False)
    return np.asarray(to_numpy(x), dtype=like.dtype)


def on_host(function: Callable[[np.ndarray], np.ndarray], like: Array) -> Callable[[Array], Array]:
    """The same function of blocks that live where `like` does, of what runs on the host in double precision."""
    return lambda block: as_array(function(np.asarray(to_numpy(block), dtype=np.float64)), like)


def as_float64(x: Array) -> Array:
    """x in double precision, in its own namespace (laws are evaluated there, then cast back)."""
    xp = namespace(x)
    return xp.astype(x, xp.float64, copy=False)


def dtype_name(x: Array) -> str:
    """Name of the dtype, the same for both namespaces: 'float32', 'complex128', ..."""
    return _last_name(x.dtype)


@lru_cache(maxsize=64)
def _last_name(dtype: Any) -> str:
    return str(dtype).rsplit(".", maxsplit=1)[-1]


def eps(x: Array) -> float:
    """Machine epsilon of the dtype of x."""
    return float(_limits(namespace(x), x.dtype).eps)


def smallest_normal(x: Array) -> float:
    """The smallest positive number of the dtype of x that is held to full precision."""
    return float(_limits(namespace(x), x.dtype).smallest_normal)


@lru_cache(maxsize=64)
def _limits(xp: Any, dtype: Any) -> Any:
    """What a namespace says of a dtype: asking takes as long as a small product."""
    return xp.finfo(dtype)


def as_blocks(*blocks: Array) -> list[Array]:
    """Blocks of vectors (d, k); vectors (d,) become (d, 1)."""
    return [x[:, None] if x.ndim == 1 else x for x in blocks]


LEAST_SQUARE, MOST_SQUARE = 1e-30, 1e30
"""Sums of squares between these, in either precision, have lost nothing to the ends of the range."""


SHORT = 1000
"""Length from which on BLAS squares a vector faster, up to four times."""


def column_norms(block: Array) -> Array:
    """Norms (k,) of the columns of a block (d, k), whose squares may lie outside the range of the dtype."""
    if type(block) is np.ndarray and block.dtype.kind == "f":
        if block.shape[1] == 1 and len(block) > SHORT:
            with np.errstate(over="ignore"):
                squares = block.T.dot(block)[0]
        else:
            squares = np.einsum("ij,ij->j", block, block)
        if in_range(squares):
            return np.sqrt(squares)
    xp = namespace(block)
    if is_distributed(block) and in_range(squares := block.squares()):
        return squares**0.5
    if block.shape[0] == 0:
        return xp.linalg.vector_norm(block, axis=0)
    sizes = xp.abs(block)  # quotients of complex numbers overflow among denormal ones
    largest = xp.max(sizes, axis=0)
    unit = xp.where((largest > 0) & xp.isfinite(largest), largest, xp.ones_like(largest))
    return unit * xp.linalg.vector_norm(sizes / unit, axis=0)


def in_range(squares: Array) -> bool:
    """Whether all sums of squares are precise; none of them may be zero, which could be an underflow."""
    if _few(squares):
        sums = squares.ravel().tolist()
        for each in sums:  # a loop calls nothing, unlike `min` and `max`
            if not LEAST_SQUARE < each < MOST_SQUARE:
                return False
        return bool(sums)
    return bool(((squares > LEAST_SQUARE) & (squares < MOST_SQUARE)).all())


def _few(x: Array) -> bool:
    """Whether a list of its entries is sooner read than a reduction of NumPy begun."""
    return x.shape[-1] <= FEW and (type(x) is np.ndarray or not is_distributed(x))


FEW = 16
"""Columns whose numbers are looked at as a list: a reduction of NumPy takes as long to start as a list to read."""


def all_true(mask: Array) -> bool:
    """Whether a boolean array is true everywhere."""
    return False not in mask.ravel().tolist() if _few(mask) else bool(mask.all())


def any_true(mask: Array) -> bool:
    """Whether a boolean array is true anywhere."""
    return True in mask.ravel().tolist() if _few(mask) else bool(mask.any())


def highest(x: Array) -> float:
    """The largest entry of an array (..., k) without −∞; NaN where there is one."""
    if not _few(x):
        return float(x.max())
    entries = x.ravel().tolist()
    return math.nan if math.isnan(sum(entries)) else max(entries)


def product(a: Array, b: Array) -> Array:
    """A B for matrices; `dot` looks for no floating-point errors, which takes `@` longer than a small product."""
    return a.dot(b) if type(a) is np.ndarray and type(b) is np.ndarray else a @ b


ALONE = 10_000
"""Numbers that OpenBLAS adds on one thread. NumPy and SciPy have pools of threads of their own, and when a pass of one
follows one of the other, threads that still wait for work keep those that have it from the cores: ten times slower."""


def add_multiple(factor: float, x: Array, y: Array) -> Array:
    """y + factor · x, written over y, in one pass over both where BLAS has one."""
    if is_distributed(x) and is_distributed(y):
        if y.local.size:
            add_multiple(factor, x.local, y.local)
    elif (
        type(y) is np.ndarray
        and y.dtype == x.dtype
        and y.dtype.char in "fd"
        and x.flags.c_contiguous
        and y.flags.c_contiguous
    ):
        axpy, x, total = fortran("axpy", y.dtype), x.reshape(-1), y.reshape(-1)
        for begin in range(0, len(total), ALONE):
            axpy(x[begin : begin + ALONE], total[begin : begin + ALONE], a=factor)
    else:
        y += factor * x
    return y


def multiple(factor: float | Array, x: Array, out: Array | None) -> Array:
    """factor · x, written over `out` if there is one: fresh memory takes longer to come by than to fill."""
    if is_torch(x):
        import torch

        return torch.mul(x, factor, out=out)
    return np.multiply(x, factor, out=out)


FOLDED = 128
"""Numbers of a row that are compared at once."""


def column_maxima(block: Array) -> Array:
    """Largest absolute values (k,) of the columns of a block (d, k)."""
    if type(block) is np.ndarray:
        # Narrow blocks are folded into rows of at most `FOLDED` numbers, which NumPy takes ten times as fast.
        sizes, (d, k) = np.abs(block), block.shape
        if d <= FOLDED:
            return np.maximum.reduce(sizes, axis=0)
        fold = max(1, min(FOLDED // max(k, 1), math.isqrt(d)))
        whole = d // fold * fold
        folded = np.maximum.reduce(sizes[:whole].reshape(whole // fold, fold * k), axis=0)
        return np.maximum.reduce(np.concatenate([folded.reshape(fold, k), sizes[whole:]]), axis=0)
    xp = namespace(block)
    return xp.max(xp.abs(block), axis=0)


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...], like: Array) -> Array:
    """Standard normal numbers with the namespace, dtype and device of `like`.

    Torch tensors are drawn where they live, by a torch generator seeded from `rng`.
    """
    if is_torch(like):
        import torch

        generator = torch.Generator(device=like.device).manual_seed(int(rng.integers(2**63 - 1)))
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
    if is_distributed(like):
        return normal_rows(rng, shape, like)
    dtype = np.dtype(like.dtype)
    if dtype in (np.float32, np.float64):
        return rng.standard_normal(shape, dtype=dtype.type)
    return rng.standard_normal(shape).astype(dtype)


def random_signs(rng: np.random.Generator, shape: tuple[int, ...], like: Array) -> Array:
    """Numbers ±1 with the namespace, dtype and device of `like`."""
    if is_distributed(like):
        return signs_of_rows(rng, shape, like)
    return as_array(rng.choice([-1.0, 1.0], size=shape), like)


def eigh(a: Array) -> tuple[Array, Array]:
    """Eigenvalues (ascending) and eigenvectors of a symmetric matrix, from its lower triangle."""
    try:
        w, q = namespace(a).linalg.eigh(a)
    except RuntimeError:
        # The library behind torch gives up on some matrices with hundreds of eigenvalues that are zero.
        if not (is_torch(a) and all_true(a.isfinite())):
            raise
        w, q = (as_array(part, a) for part in np.linalg.eigh(to_numpy(a)))
    return w, q


def add_gram(gram: Array | None, block: Array) -> Array:
    """Upper triangle of gram + BᵀB for a block B (n, d), written over `gram` where there is one."""
    if is_torch(block):
        return block.mT @ block if gram is None else gram.addmm_(block.mT, block)
    syrk = fortran("syrk", block.dtype)
    return syrk(1.0, block.T) if gram is None else syrk(1.0, block.T, beta=1.0, c=gram, overwrite_c=True)


def plus_identity(a: Array, shift: float) -> Array:
    """A + shift I for a square array."""
    if is_torch(a):
        result = a.clone()
        result.diagonal().add_(shift)
        return result
    result = a.copy()
    result.flat[:: a.shape[0] + 1] += shift
    return result


@lru_cache(maxsize=64)
def fortran(name: str, dtype: np.dtype[Any]) -> Any:
    """BLAS or LAPACK routine for a dtype: looking it up takes as long as a small solve."""
    find = scipy.linalg.get_blas_funcs if name in _BLAS else scipy.linalg.get_lapack_funcs
    return find((name,), dtype=dtype)[0]


_BLAS = ("axpy", "syrk", "trsm", "trsv")


def same_place(x: Array, y: Array) -> bool:
    """Whether both arrays live in one namespace and on one device."""
    return is_torch(x) == is_torch(y) and device(x) == device(y)
