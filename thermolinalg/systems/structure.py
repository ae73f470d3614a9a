"""Sparse matrices that are singular whatever their numbers are: told from where their entries stand, before any run."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.csgraph import structural_rank

from thermolinalg.devices import SingularError
from thermolinalg.operators import Operator, Sparse

__all__ = ["refuse_structurally_singular"]

LARGE = 4096
"""Up to this size singular values are as cheap, and better evidence."""

MATCHED = 10**7
"""Entries up to which rows are matched with columns; beyond, only empty ones are looked for."""


def refuse_structurally_singular(operator: Operator, *, is_complex: bool) -> None:
    """SingularError where rows of a large square sparse matrix cannot all have a column of their own.

    Parameters
    ----------
    operator : Operator
        Only the entries of `Sparse` ones are looked at.
    is_complex : bool
        Whether it is the real form of a complex matrix.
    """
    d = operator.shape[0]
    if not isinstance(operator, Sparse) or d <= LARGE:
        return
    a = operator.matrix
    if not a.data.all():
        a = a.copy()
        a.eliminate_zeros()
    if not np.all(a.diagonal()):
        _refuse_unmatched(a, copies=2 if is_complex else 1)


def _refuse_unmatched(a: Any, copies: int) -> None:
    """The same for a CSR array without stored zeros whose diagonal is no matching; of the user's, it has `copies`."""
    d, advice = a.shape[0], "lstsq and pinv give the minimum-norm solution"
    counts = {"row": np.diff(a.indptr), "column": np.bincount(a.indices, minlength=d)}
    for name, count in counts.items():
        if not count.all():
            i = int(np.argmin(count))
            known = np.eye(1, d // copies, i)[0] if counts["column"][i] == 0 else None
            raise SingularError(f"A is singular: {name} {i} has no entries but zeros; {advice}", known)
    if a.nnz <= MATCHED and (rank := int(structural_rank(a))) < d:
        most = f"{rank // copies} of {d // copies}"
        raise SingularError(f"A is singular: with zeros where it has them, no matrix has a rank above {most}; {advice}")
