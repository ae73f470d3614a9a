"""Arrays whose rows lie on several ranks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from thermolinalg._ranks.communicator import Reduction
from thermolinalg._ranks.partition import Partition

__all__ = ["DistributedArray", "elementwise", "matmul", "reduced"]


class DistributedArray(NDArrayOperatorsMixin):
    """A real array one of whose axes is shared out among ranks; every rank holds its own rows and nothing else.

    Arithmetic is local, a sum over the rows is one reduction over all ranks, and its result the same on every rank: an
    array of NumPy. What would need all rows in one place is refused; `thermolinalg.distributed.gather` brings them
    together.

    Parameters
    ----------
    local : ndarray
        The rows of this rank.
    partition : Partition
        Which rows lie where.
    axis : int, optional
        The axis that is shared out, from the front.

    See Also
    --------
    scatter, gather, vector, rows_of : Vectors whose rows are spread over ranks.

    Examples
    --------
    >>> from thermolinalg.distributed import Serial, rows_of, vector
    >>> x = vector(np.arange(4.0), Serial())
    >>> x
    <array of shape (4,), float64; 4 rows on 1 rank, 0:4 here>
    >>> float((x * x).sum()), (2 * x).local
    (14.0, array([0., 2., 4., 6.]))
    """

    def __init__(self, local: np.ndarray, partition: Partition, axis: int = 0) -> None:
        self.local, self.partition, self.axis = local, partition, axis

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        from thermolinalg._ranks import namespace

        return namespace

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            f"this needs all rows of {self!r} in one place; thermolinalg.distributed.gather(x) brings them to every "
            "rank, x.local are those of this one; solve, langevin, sample and program need no such thing"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        return tuple(self.partition.rows if i == self.axis else n for i, n in enumerate(self.local.shape))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.local.ndim

    @property
    def size(self) -> int:
        """Number of entries on all ranks together."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the entries."""
        return self.local.dtype

    @property
    def device(self) -> Partition:
        """Where the entries are: the partition."""
        return self.partition

    @property
    def place(self) -> int:
        """The axis that is shared out, from the back: arrays are broadcast from there."""
        return self.axis - self.ndim

    @property
    def T(self) -> DistributedArray:
        """The transpose: a view."""
        return DistributedArray(self.local.T, self.partition, self.ndim - 1 - self.axis)

    @property
    def mT(self) -> DistributedArray:
        """The last two axes exchanged: a view."""
        axis = {self.ndim - 1: self.ndim - 2, self.ndim - 2: self.ndim - 1}.get(self.axis, self.axis)
        return DistributedArray(np.swapaxes(self.local, -1, -2), self.partition, axis)

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        raise ValueError("the truth of an array is ambiguous; use x.any() or x.all()")

    def __repr__(self) -> str:
        return f"<array of shape {self.shape}, {self.dtype}; {str(self.partition)[1:-1]}>"

    def astype(self, dtype: Any, *, copy: bool = True) -> DistributedArray:
        """The same in another dtype."""
        return DistributedArray(self.local.astype(dtype, copy=copy), self.partition, self.axis)

    def copy(self) -> DistributedArray:
        """The same in memory of its own."""
        return DistributedArray(self.local.copy(), self.partition, self.axis)

    # -- entries ------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        index, axis, part = self._local_index(key)
        if isinstance(part, int):  # a row, which one rank has
            owner = int(self.partition.owner(np.array(part)))
            here = self.partition.comm.rank == owner
            return self.partition.comm.bcast(self.local[index] if here else None, owner)
        return DistributedArray(self.local[index], part, axis)

    def __setitem__(self, key: Any, value: Any) -> None:
        index, _, part = self._local_index(key)
        if isinstance(part, int) and not self.partition.start <= part < self.partition.stop:
            return
        self.local[index] = value.local if isinstance(value, DistributedArray) else value

    def _local_index(self, key: Any) -> tuple[tuple[Any, ...], int, Partition | int]:
        """The key on this rank; of what it gives the shared axis, and the partition, or the one row that it names."""
        keys = key if isinstance(key, tuple) else (key,)
        if any(k is Ellipsis for k in keys):
            at = next(i for i, k in enumerate(keys) if k is Ellipsis)
            missing = self.ndim - sum(k is not None and k is not Ellipsis for k in keys)
            keys = (*keys[:at], *[slice(None)] * missing, *keys[at + 1 :])
        keys = (*keys, *[slice(None)] * (self.ndim - sum(k is not None for k in keys)))
        index: list[Any] = []
        source, result, axis, part = 0, 0, 0, self.partition  # type: int, int, int, Partition | int
        for k in keys:
            if k is not None and source == self.axis:
                axis = result
                k, part = self._rows(k)
            index.append(k)
            source += k is not None
            result += not isinstance(k, int | np.integer)
        return tuple(index), axis, part

    def _rows(self, key: Any) -> tuple[Any, Partition | int]:
        """A key for the shared axis as one for the rows of this rank."""
        partition, n = self.partition, self.partition.rows
        if isinstance(key, slice):
            if key == slice(None):
                return key, partition
            start, stop, step = key.indices(n)
            if step == 1:
                part = partition.part(start, max(start, stop))
                begin = min(max(start - partition.start, 0), len(range(partition.start, partition.stop)))
                return slice(begin, begin + part.stop - part.start), part
        elif isinstance(key, int | np.integer):
            row = int(key) + (n if key < 0 else 0)
            if not 0 <= row < n:
                raise IndexError(f"row {int(key)} is out of bounds for {n} rows")
            return row - partition.start, row
        raise TypeError("rows on several ranks are chosen by a number, or by a slice with step 1; see x.local")

    # -- arithmetic ---------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method != "__call__" or ufunc.nout != 1 or not all(map(_operand, inputs)):
            return NotImplemented
        target = None if out is None else out[0]
        if ufunc is np.matmul:
            return matmul(*inputs) if out is None else NotImplemented
        if target is not None and not isinstance(target, DistributedArray):
            return NotImplemented
        return elementwise(ufunc, *inputs, out=target, **options)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        if function is np.shape:
            return self.shape
        known = vars(self.__array_namespace__()).get(function.__name__)
        if known is None or known is function:
            raise TypeError(f"{function.__name__} of rows on several ranks is not there; x.local are those of this one")
        return known(*args, **options)

    # -- reductions ---------------------------------------------------------------------------------------------------

    def sum(self, axis: int | None = None) -> Any:
        """Sum over an axis, or over everything."""
        return reduced("sum", self, axis)

    def max(self, axis: int | None = None) -> Any:
        """Largest entry; NaN where there is one."""
        return reduced("max", self, axis)

    def min(self, axis: int | None = None) -> Any:
        """Smallest entry; NaN where there is one."""
        return -reduced("max", -self, axis)

    def any(self, axis: int | None = None) -> Any:
        """Whether some entry is not zero."""
        return reduced("max", self != 0, axis)

    def all(self, axis: int | None = None) -> Any:
        """Whether no entry is zero."""
        return reduced("min", self != 0, axis)

    def squares(self) -> Any:
        """Sums (k,) of the squares of the columns, without a copy; infinite where they overflow."""
        if self.local.shape[1] == 1:
            with np.errstate(over="ignore"):
                return _over_ranks(self.local.T.dot(self.local)[0], "sum", self, (0,))
        return _over_ranks(np.einsum("ij,ij->j", self.local, self.local), "sum", self, (0,))

    def agreed(self, here: bool) -> bool:
        """Whether something holds on every rank."""
        return bool(self.partition.comm.allreduce(np.array(here, dtype=np.int8), "min"))


def _operand(x: Any) -> bool:
    return isinstance(x, DistributedArray | np.ndarray | np.generic | bool | int | float)


def elementwise(
    function: Callable[..., Any], *operands: Any, out: DistributedArray | None = None, **options: Any
) -> DistributedArray:
    """A function of entries, broadcast: arrays of NumPy among the operands are the same on every rank."""
    first, *others = [x for x in operands if isinstance(x, DistributedArray)]
    for x in others:
        if x.place != first.place or x.partition != first.partition:
            raise ValueError(f"{first!r} and {x!r} are not shared out alike; make both from the rows of one partition")
    locals_ = [x.local if isinstance(x, DistributedArray) else _replicated(x, first) for x in operands]
    if out is not None:
        function(*locals_, out=out.local, **options)
        return out
    value = function(*locals_, **options)
    return DistributedArray(value, first.partition, value.ndim + first.place)


def _replicated(x: Any, beside: DistributedArray) -> Any:
    """What is the same on every rank, where it has no rows of its own."""
    shape = getattr(x, "shape", ())
    if len(shape) >= -beside.place and shape[beside.place] != 1:
        raise ValueError(
            f"an array of NumPy of shape {shape} does not fit beside {beside!r}: its rows are not shared out; "
            "thermolinalg.distributed.scatter(x, A) does that"
        )
    return x


def reduced(reduction: Reduction, x: DistributedArray, axis: int | None, *, keepdims: bool = False) -> Any:
    """Sum or largest over an axis: an array of NumPy where that is the shared one, or where there is no other left."""
    axes = tuple(range(x.ndim)) if axis is None else (axis % x.ndim,)
    function: Callable[..., Any] = getattr(np, reduction)
    options: dict[str, Any] = {}
    if reduction != "sum":  # a rank may have no rows
        least = reduction == "max"
        options["initial"] = (not least) if x.dtype.kind == "b" else (-math.inf if least else math.inf)
    return _over_ranks(function(x.local, axis=axes, keepdims=keepdims, **options), reduction, x, axes, keepdims)


def _over_ranks(
    local: Any, reduction: Reduction, x: DistributedArray, axes: tuple[int, ...], keepdims: bool = False
) -> Any:
    """What the ranks reduced on their own, reduced over all of them where the shared axis is among the axes."""
    if x.axis not in axes:
        axis = x.axis if keepdims else x.axis - sum(a < x.axis for a in axes)
        return DistributedArray(local, x.partition, axis)
    comm, values = x.partition.comm, np.asarray(local)
    if comm.size == 1:
        return values[()]
    if values.dtype.kind == "b":
        return comm.allreduce(values.astype(np.int8), reduction).astype(bool)[()]
    if reduction == "sum":
        return comm.allreduce(values, "sum")[()]
    # MPI leaves open what the larger of a number and NaN is.
    unknown = np.isnan(values)
    both = np.stack([np.where(unknown, -np.inf, values), unknown.astype(values.dtype)])
    largest, unknown = comm.allreduce(both, "max")
    return np.where(unknown > 0, np.nan, largest).astype(values.dtype)[()]


def matmul(a: Any, b: Any) -> Any:
    """A B, where the shared axis stays as it is, or is the one that is summed over: then in one reduction."""
    left, right = (x if isinstance(x, DistributedArray) else None for x in (a, b))
    inner = left is not None and left.place == -1
    if inner or (right is not None and right.place == -min(2, right.ndim)):
        if left is None or right is None or left.place != -1 or right.place != -min(2, right.ndim):
            raise ValueError(f"{a!r} and {b!r} do not fit: one of them has all rows on every rank")
        if left.partition != right.partition:
            raise ValueError(f"{a!r} and {b!r} are not shared out alike; make both from the rows of one partition")
        with np.errstate(invalid="ignore"):
            return left.partition.comm.allreduce(np.asarray(left.local @ right.local), "sum")[()]
    if left is not None and right is not None:
        raise ValueError(f"{a!r} and {b!r} do not fit: the product would be shared out in two ways")
    given = left if left is not None else right
    assert given is not None
    value = (left.local if left is not None else a) @ (right.local if right is not None else b)
    place = given.place if left is None or b.ndim > 1 else given.place + 1
    return DistributedArray(value, given.partition, value.ndim + place)
