"""Eigenvalues of symmetric matrices, whatever the library behind torch makes of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["eigh"]


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues in ascending order, and eigenvectors, of finite symmetric matrices.

    The library behind torch gives up on some matrices with hundreds of eigenvalues that are zero, as those of factors
    and of Gram matrices often are; NumPy's does not.

    Parameters
    ----------
    matrix : Tensor, shape (..., n, n)

    Returns
    -------
    values : Tensor, shape (..., n)
    vectors : Tensor, shape (..., n, n)

    Raises
    ------
    RuntimeError
        A matrix that is not finite.

    Examples
    --------
    >>> import torch
    >>> eigh(torch.diag(torch.tensor([2.0, 1.0])))[0]
    tensor([1., 2.])
    """
    try:
        values, vectors = torch.linalg.eigh(matrix)
    except RuntimeError:
        if not matrix.isfinite().all():
            raise
        found = np.linalg.eigh(matrix.detach().cpu().numpy())
        values, vectors = (torch.as_tensor(part, dtype=matrix.dtype, device=matrix.device) for part in found)
    return values, vectors
