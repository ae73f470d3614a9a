"""The diagonal of the inverse: how much each node of the device fluctuates."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array, as_array
from thermolinalg._info import Info
from thermolinalg._validation import as_positive, as_rng
from thermolinalg.devices import Device
from thermolinalg.estimation.covariance import readings_for
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device
from thermolinalg.primitives._readings import readings_report

__all__ = ["inv_diagonal"]


@overload
def inv_diagonal(A: Any, *, return_info: Literal[False] = ..., **kwargs: Any) -> Array: ...
@overload
def inv_diagonal(A: Any, *, return_info: Literal[True], **kwargs: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix",))
def inv_diagonal(
    A: Any,
    *,
    rtol: float = 1e-2,
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    progress: bool = False,
    return_info: bool = False,
) -> Any:
    r"""Diagonal of A⁻¹ from the variance of each node of a simulated thermodynamic device.

    In equilibrium node i has the variance :math:`T (A^{-1})_{ii}`. N independent readings know it with the relative
    standard error :math:`\sqrt{2/(N - 1)}`, whatever A is: N is set by `rtol`. A need only be known by its products.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive definite. Torch tensors give torch tensors.
    rtol : float, optional
        Relative standard error of each entry.
    assume_a : str, optional
        'pos', 'sym' or 'her' as in `solve`.
    lower : bool, optional
        Which triangle is read when `assume_a` names a symmetric structure.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    progress : bool, optional
        Whether to show a progress bar.
    return_info : bool, optional
        Whether to return an `Info` beside the diagonal.

    Returns
    -------
    diagonal : array, shape (d,) or (..., d)
        Real, in the namespace and precision of the input.
    info : Info
        Only with ``return_info=True``.

    Raises
    ------
    LinAlgError
        A is singular or not positive definite; the message holds the evidence.
    ValueError
        A is not symmetric, NaN or infinity, rtol not positive.
    TypeError
        Object, masked or matrix input.

    Notes
    -----
    No residual can certify a diagonal: the standard error is all there is. Its square falls as 1/N.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> values, info = tla.inv_diagonal(A, rng=0, return_info=True)
    >>> bool(np.all(abs(values - np.diag(np.linalg.inv(A))) < 5 * info.standard_error))
    True
    """
    loadable = read_matrix(A, assume_a=assume_a, lower=lower, check_finite=check_finite)
    rtol, generator = as_positive(rtol, "rtol"), as_rng(rng)
    if not loadable.symmetric:
        raise ValueError("A is not symmetric, and only a symmetric one is a device's own; take the diagonal of inv(A)")
    if loadable.shape[0] == 0:
        value = as_array(np.zeros(0), loadable.operator.like)
        info = Info(success=True, status=0, message="an empty matrix", n_runs=0, standard_error=value)
        return (value, info) if return_info else value
    matrix, copies = loadable.operator, 2 if loadable.is_complex else 1
    program = as_device(device).program(matrix, rng=generator)
    count = readings_for(rtol, 1, copies=copies)
    reading = program.variances(count, rng=generator, progress=progress)
    d, freedom = loadable.shape[0], copies * (count - 1)
    value = (reading.value[:d] + reading.value[d:]) / 2 if loadable.is_complex else reading.value
    relative = math.sqrt(2 / freedom)
    message = f"no residual can certify a diagonal: its relative standard error is {relative:.2g}; pass a smaller rtol="
    info = readings_report(program, reading.schedule, 2.0, message)
    info["standard_error"] = relative * value
    return (value, info) if return_info else value
