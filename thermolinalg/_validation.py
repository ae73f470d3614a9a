"""The one gatekeeper: every public function passes its arguments through here first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, is_distributed, is_sparse_tensor, is_torch, namespace
from thermolinalg._autograd import refuse_gradients, refuse_transforms

__all__ = [
    "as_count",
    "as_nonnegative",
    "as_numpy",
    "as_positive",
    "as_relative",
    "as_rng",
    "checked_array",
    "checked_sparse",
    "checked_sparse_tensor",
    "is_finite",
    "refuse_uncounted",
]

_REAL_KINDS = {"b": np.float64, "i": np.float64, "u": np.float64}


def as_rng(rng: Any) -> np.random.Generator:
    """Generator from `rng` (SPEC 7): None is fresh entropy; int, SeedSequence, BitGenerator, Generator are taken."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"rng must be None, a non-negative int, a SeedSequence or a numpy.random.Generator, not {rng!r}"
        ) from None


def as_nonnegative(value: Any, name: str) -> float:
    """A finite float ≥ 0."""
    number = _as_float(value, name)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return number


def as_positive(value: Any, name: str) -> float:
    """A finite float > 0."""
    number = _as_float(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return number


def as_relative(value: Any, name: str) -> float:
    """A relative error to reach: a float in (0, 1), since from one on any answer would do."""
    number = as_positive(value, name)
    if number >= 1:
        raise ValueError(f"{name} must be below 1, got {value!r}: from a relative error of one on any answer would do")
    return number


def _as_float(value: Any, name: str) -> float:
    refuse_gradients(value, name)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a real number, got {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return number


def as_count(value: Any, name: str, minimum: int = 1) -> int:
    """An integer ≥ minimum."""
    try:
        count = int(value)
        exact = count == value
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not exact:
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if count < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return count


def is_finite(x: Array) -> bool:
    """Whether all entries are finite; one pass without a temporary unless their squares overflow."""
    xp = namespace(x)
    if type(x) is np.ndarray:
        entries = x.ravel("K")
        if math.isfinite(np.vdot(entries, entries).real):
            return True
    if is_distributed(x):
        return bool(x.agreed(is_finite(x.local)))
    return bool(xp.all(xp.isfinite(x)))


def checked_array(x: Any, name: str, *, check_finite: bool = True, ndim: Sequence[int] | None = None) -> Array:
    """A real or complex floating-point array of NumPy or torch, never the user's own to write on.

    Raises
    ------
    TypeError
        Sparse, masked, object or np.matrix input; a tensor that requires gradients, since none come out of here.
    ValueError
        NaN or infinity, or a wrong number of dimensions.
    """
    if is_torch(x):
        x = _checked_torch(x, name)
    elif not is_distributed(x):  # whose dtype was looked at when it was made
        x = _checked_numpy(x, name)
    if ndim is not None and x.ndim not in ndim:
        wanted = " or ".join(map(str, ndim))
        raise ValueError(f"{name} must have {wanted} dimension(s), got shape {tuple(x.shape)}")
    if check_finite and not is_finite(x):
        raise ValueError(f"{name} contains NaN or infinity; all entries must be finite")
    return x


def _checked_torch(x: Any, name: str) -> Array:
    if is_sparse_tensor(x):
        raise TypeError(f"{name} is a sparse tensor where a dense array is needed; pass {name}.to_dense()")
    refuse_transforms(x)
    refuse_gradients(x, name)
    return _as_blas_tensor(x.detach().resolve_conj().resolve_neg())


def _as_blas_tensor(x: Array) -> Array:
    """As `_as_blas_dtype` does."""
    xp = namespace(x)
    if not (xp.isdtype(x.dtype, "real floating") or xp.isdtype(x.dtype, "complex floating")):
        return xp.astype(x, xp.float64)
    if str(x.dtype) in ("torch.float16", "torch.bfloat16"):
        return xp.astype(x, xp.float32)
    return x


def _checked_numpy(x: Any, name: str) -> Array:
    if scipy.sparse.issparse(x):
        raise TypeError(f"{name} is sparse where a dense array is needed; pass {name}.toarray()")
    if hasattr(x, "matvec"):
        advice = f"; pass {name} @ np.eye({name}.shape[1])" if hasattr(x, "__matmul__") else ""
        raise TypeError(f"{name} is a linear operator where an array is needed{advice}")
    if isinstance(x, np.matrix):
        raise TypeError(f"{name} is an np.matrix, which is not supported; pass np.asarray({name})")
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, which is not supported; fill it: {name}.filled(...)")
    array = as_numpy(x, name)
    if array.dtype.kind not in "biufc":
        advice = f"; pass {name}.astype(float)" if hasattr(x, "astype") else ""
        raise TypeError(f"{name} has dtype {array.dtype}, which is not numeric{advice}")
    return _as_blas_dtype(array)


def as_numpy(x: Any, name: str) -> np.ndarray:
    """A list, or the array of another library, as one of NumPy.

    Raises
    ------
    ValueError
        It is ragged.
    TypeError
        It has no numbers on the host, being traced or on a device.
    """
    if is_distributed(x):
        x.__array__()  # which says what to do instead
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} is not an array of numbers: {error}") from None
    except (TypeError, RuntimeError):
        raise TypeError(
            f"{name} is a {type(x).__name__} without numbers to load, as inside jit, grad or vmap of JAX or on a "
            "device of its own; pass an array on the host from outside of them, or a torch tensor where gradients or "
            "a GPU are needed"
        ) from None


def _as_blas_dtype(array: Any) -> Any:
    """Single and double precision stay; everything else goes to the nearest one LAPACK has."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind in _REAL_KINDS:
        return array.astype(np.float64)
    if kind == "f" and size not in (4, 8):
        return array.astype(np.float32 if size < 4 else np.float64)
    if kind == "c" and size not in (8, 16):
        return array.astype(np.complex128)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def refuse_uncounted(a: Any, name: str) -> None:
    """ValueError for more rows or columns than 32 bits count, before anything of that length is made."""
    sizes = getattr(a, "shape", None)
    if sizes and isinstance(sizes, tuple) and max(sizes) > MOST_ROWS:
        raise ValueError(
            f"{name} has shape {tuple(sizes)}, and more than {MOST_ROWS} rows or columns are not counted by the "
            f"32-bit indices of sparse factors and kernels; split {name} into blocks"
        )


MOST_ROWS = 2**31 - 1
"""What a 32-bit index counts; one vector of so many numbers takes 16 GiB."""


def checked_sparse(x: Any, name: str, *, check_finite: bool = True) -> Any:
    """A SciPy sparse array in CSR form with a floating-point dtype (a copy of the structure if it has to change)."""
    if x.dtype.kind not in "biufc":
        raise TypeError(f"{name} has dtype {x.dtype}, which is not numeric")
    if x.ndim != 2:
        raise ValueError(f"{name} must have 2 dimensions, got shape {x.shape}")
    csr = _as_blas_dtype(scipy.sparse.csr_array(x))
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    if check_finite and not is_finite(csr.data):
        raise ValueError(f"{name} contains NaN or infinity; all entries must be finite")
    return csr


def checked_sparse_tensor(x: Any, name: str, *, check_finite: bool = True) -> tuple[Any, Array]:
    """The numbers of a sparse tensor as `checked_sparse` has them, on the host, and an empty real tensor like it.

    Raises
    ------
    TypeError
        It requires gradients.
    ValueError
        Not two dimensions, rows in the place of numbers, NaN or infinity.
    """
    refuse_transforms(x)
    refuse_gradients(x, name)
    if x.ndim != 2:
        raise ValueError(f"{name} must have 2 dimensions, got shape {tuple(x.shape)}")
    if x.dense_dim():
        raise ValueError(f"{name} is a sparse tensor of dense rows; pass {name}.to_dense().to_sparse()")
    entries = x.detach().to_sparse_coo().coalesce()  # the one layout whose complex values torch shows
    values = _as_blas_tensor(entries.values())
    places = tuple(entries.indices().cpu().numpy())
    matrix = scipy.sparse.coo_array((values.cpu().numpy(), places), shape=tuple(x.shape))
    like = values[:0].real if values.is_complex() else values[:0]
    return checked_sparse(matrix, name, check_finite=check_finite), like.clone()
