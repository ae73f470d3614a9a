"""Right-hand sides: SciPy's shapes in, blocks of columns inside, the same shapes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, is_distributed, is_torch, namespace
from thermolinalg._info import Info
from thermolinalg._validation import checked_array
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.primitives._readings import empty_report

__all__ = ["RightHandSide", "identity", "in_precision_of", "one_row", "read_rhs"]


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
    """

    block: Array
    is_vector: bool
    size: int

    def shaped(self, x: Array) -> Array:
        """A block of solutions (n, k) in the shape of the user's b."""
        return x[:, 0] if self.is_vector else x

    @property
    def given(self) -> Array:
        """The block in the shape of the user's b."""
        return self.block[:, 0] if self.is_vector else self.block

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to solve."""
        return 0 in self.block.shape or self.size == 0

    def empty_solution(self) -> tuple[Array, Info]:
        """What an empty system has: nothing to run."""
        xp = namespace(self.block)
        shape = (self.size, self.block.shape[1])
        x = self.shaped(xp.zeros(shape, dtype=self.block.dtype, device=self.block.device))
        return x, empty_report(abs(x), "an empty system")


def read_rhs(read: ReadMatrix, b: Any, *, check_finite: bool = True, name: str = "b") -> RightHandSide:
    """Check b against A and bring both to one dtype.

    Raises
    ------
    ValueError
        Wrong length, or NaN or infinity.
    TypeError
        b lives in another namespace than A.
    """
    like = read.operator.like
    b = checked_array(b, name, check_finite=check_finite, ndim=(1, 2))
    m, n = read.shape
    if b.shape[0] != m:
        raise ValueError(
            f"{name} has {b.shape[0]} rows where A has {m}: shapes {tuple(b.shape)} and {(m, n)} do not fit"
        )
    if is_torch(like) and is_torch(b) and b.device != like.device:
        raise ValueError(f"{name} is on {b.device}, A on {like.device}; move one of them")
    if is_torch(b) and not is_torch(like):
        raise TypeError(f"{name} is a torch tensor and A is not; pass both as tensors or {name}.numpy()")
    if is_distributed(b) != is_distributed(like):
        whole = "A is" if is_distributed(b) else f"{name} is"
        raise TypeError(
            f"{whole} an array where the other one lies on several ranks; make A by thermolinalg.distributed, and "
            f"{name} by A.vector(rows of this rank) or thermolinalg.distributed.scatter({name}, A)"
        )
    if is_distributed(b) and b.device != like.device:
        raise ValueError(f"{name} is shared out as {b!r}, and A otherwise; make {name} by A.vector")
    is_complex = read.is_complex or "complex" in dtype_name(b)
    # Torch has no products of mixed types: there the precision of A is that of the result.
    single = dtype_name(like) == "float32" and (is_torch(like) or dtype_name(b) in ("float32", "complex64"))
    block = b[:, None] if b.ndim == 1 else b
    return RightHandSide(_cast(block, like, is_complex, single), b.ndim == 1, n)


def in_precision_of(a: Any, b: Any) -> Any:
    """A in double precision where it is an array in single precision and b is not, as NumPy promotes them."""
    if not isinstance(a, np.ndarray) or a.dtype.kind not in "fc" or a.real.dtype.itemsize > 4:
        return a
    other = np.asarray(b) if isinstance(b, (np.ndarray, list, tuple)) else None
    if other is None or other.dtype.kind not in "fciu" or np.result_type(a.real.dtype, other.real.dtype).itemsize <= 4:
        return a
    return a.astype(np.float64 if a.dtype.kind == "f" else np.complex128)


def one_row(b: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Right-hand sides of a number: SciPy divides b of any shape by it, so b becomes one row, and x its shape again."""
    shape = tuple(np.shape(b))
    if len(shape) in (1, 2) and shape[0] == 1:
        return b, None
    row = b.reshape(1, -1) if hasattr(b, "reshape") else np.reshape(b, (1, -1))
    return row, shape or (1,)


def identity(read: ReadMatrix) -> RightHandSide:
    """The identity as right-hand sides of A."""
    if is_distributed(read.operator.like):
        read.operator.dense()  # which says what to do instead
    return read_rhs(read, as_array(np.eye(read.shape[0]), read.operator.like))


def _cast(block: Array, like: Array, is_complex: bool, single: bool) -> Array:
    if is_torch(like):
        import torch

        names = {(False, True): "float32", (False, False): "float64", (True, True): "complex64"}
        return torch.as_tensor(
            block, dtype=getattr(torch, names.get((is_complex, single), "complex128")), device=like.device
        )
    if is_distributed(block):
        return block.astype(np.float32 if single else np.float64, copy=False)
    kind = {(False, True): np.float32, (False, False): np.float64, (True, True): np.complex64}
    return np.asarray(block, dtype=kind.get((is_complex, single), np.complex128))
