"""A held as a sparse tensor: products by torch where the vectors live, entries read on the host."""

from __future__ import annotations

import warnings
from typing import Any

import scipy.sparse

from thermolinalg._arrays import Array
from thermolinalg.operators.sparse import Sparse

__all__ = ["SparseTensor"]


class SparseTensor(Sparse):
    """A matrix whose products are those of a sparse torch tensor.

    Whoever reads entries or factorises (SuperLU, on the host) finds the same numbers as a SciPy sparse array in
    `matrix`; where the vectors live on the host as well, both are one.

    Parameters
    ----------
    matrix : sparse array, shape (m, n)
        Brought to CSR form.
    like : tensor
        Of the dtype and device of the vectors.
    symmetric : bool, optional
        Whether Aᵀ = A.
    """

    def __init__(self, matrix: Any, like: Array, *, symmetric: bool = True) -> None:
        super().__init__(matrix, symmetric=symmetric)
        self.like = like

    def holding(self, matrix: Any, *, symmetric: bool = True) -> Sparse:
        return SparseTensor(matrix, self.like, symmetric=symmetric)

    def multiplier(self, matrix: Any) -> Any:
        """The tensor in CSR form; of long doubles, which torch has not, the SciPy sparse array itself."""
        if matrix.dtype.itemsize > 8:
            return matrix
        import torch

        rows = scipy.sparse.csr_array(matrix)
        starts, columns, values = (
            torch.as_tensor(x, device=self.like.device) for x in (rows.indptr, rows.indices, rows.data)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # once in a process torch says that it is still at work on these
            return torch.sparse_csr_tensor(starts, columns, values, rows.shape, check_invariants=False)

    def add_product(self, block: Array, total: Array) -> Array:
        return total.addmm_(self._multiplier, block)
