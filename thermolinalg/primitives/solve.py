"""Linear systems: load A and b, let the device relax, read the mean; send the residual back until it is small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

from thermolinalg._arrays import Array
from thermolinalg._info import Info
from thermolinalg._validation import as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._preconditioner import shortening
from thermolinalg.primitives._rhs import in_precision_of, one_row
from thermolinalg.primitives._tolerance import MAXITER
from thermolinalg.primitives.solver import Solver

__all__ = ["solve"]


@overload
def solve(a: Any, b: Any, *args: Any, return_info: Literal[False] = ..., **kwargs: Any) -> Array: ...
@overload
def solve(a: Any, b: Any, *args: Any, return_info: Literal[True], **kwargs: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix", "rhs"))
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,  # noqa: ARG001 - SciPy's
    overwrite_b: bool = False,  # noqa: ARG001 - SciPy's
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
    *,
    rtol: float | None = None,
    atol: float = 0.0,
    maxiter: int = MAXITER,
    refine: bool = True,
    schedule: Schedule | None = None,
    M: Any = None,
    device: Device | None = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Solve A x = b on a simulated thermodynamic device.

    The device's voltages obey dx = −(A x − b) dt + sqrt(2T) dW and relax to N(A⁻¹b, T A⁻¹): their time average
    estimates x = A⁻¹ b, with the error :math:`E\|\bar x - x\|^2 = (2T/T_w)\,\mathrm{tr}\,A^{-2}` for a window T_w.

    By default the residual b − A x is computed digitally and sent back to the device until
    ‖b − A x‖ ≤ rtol ‖b‖ + atol. With ``refine=False`` the answer is exactly what one run returns.

    Parameters
    ----------
    a : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive definite, unless `assume_a` says otherwise. Torch tensors give torch tensors.
    b : array_like, shape (d,), (d, k) or batches thereof
        Right-hand sides.
    lower : bool, optional
        Which triangle is read when `assume_a` names a symmetric structure, as in `scipy.linalg.solve`.
    overwrite_a, overwrite_b : bool, optional
        Accepted for SciPy's sake; nothing is ever overwritten.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    assume_a : str, optional
        None looks at A: a symmetric positive definite one is held as it is, a negative definite one as −A, anything
        else in the skew embedding. 'pos' insists on positive definite; 'sym' and 'her' read one triangle; 'gen' embeds
        it at once; 'stable' programs a non-symmetric A whose eigenvalues have positive real parts as the drift itself.
        SciPy's other names are understood.
    transposed : bool, optional
        Solve Aᵀ x = b.
    rtol, atol : float, optional
        Tolerances of the true residual. Default rtol: 1e-10 in double precision, 1e-5 in single. With
        ``refine=False``: the relative residual that one run aims at, by default 0.01.
    maxiter : int, optional
        Device runs at most.
    refine : bool, optional
        Whether to send residuals back to the device.
    schedule : Schedule, optional
        Timetable of each run. Default: long enough for `rtol` (``refine=False``), or for one tenth of the residual.
    M : array_like, sparse array or LinearOperator, shape (d, d), optional
        Approximation of A⁻¹ for a symmetric positive definite A, as in `langevin`: runs of an ideal device are then
        simulated by preconditioned solves. It changes what a simulation takes and not what is simulated.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`; a `GeneralDevice` where `assume_a` is 'stable'.
    callback : callable, optional
        Called after each run with the iterate, ``callback(xk)``; as ``callback(intermediate_result=info)`` where its
        parameter has that name, with `x`, `residual_norm` and `n_runs`. StopIteration ends the call with what there is.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy. A seed gives the same x again, to the last bit where BLAS runs
        with as many threads.
    return_info : bool, optional
        Whether to return an `Info` beside x.

    Returns
    -------
    x : array, shape of b
        In the namespace and dtype of the input.
    info : Info
        Only with ``return_info=True``: true residual, standard error, engine, schedule, device time.

    Raises
    ------
    LinAlgError
        A is singular, or not positive definite where it has to be; the message holds the evidence.
    ValueError
        Shapes that do not fit, NaN or infinity, negative tolerances; M is not symmetric positive definite.
    TypeError
        Object, masked or matrix input.

    Warns
    -----
    ThermodynamicWarning
        The tolerance was not reached; `info.success` is False.

    See Also
    --------
    langevin : The same as one Krylov solver of SciPy, with its signature.
    lstsq : Systems of any shape and rank.
    program : A prepared device, for many calls with one A.
    scipy.linalg.solve : By factors.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> b = np.array([1.0, 2.0])
    >>> np.allclose(tla.solve(A, b), np.linalg.solve(A, b))
    True
    >>> x, info = tla.solve(A, b, refine=False, rtol=0.01, rng=0, return_info=True)
    >>> bool(np.all(abs(x - np.linalg.solve(A, b)) < 5 * info.standard_error))
    True
    """
    a = in_precision_of(a, b)
    read = read_matrix(
        a, assume_a=assume_a, lower=lower, check_finite=check_finite, scalar=True, gradients=True, name="a"
    )
    inverse = shortening(M, read, device)
    if M is not None and not read.symmetric:
        raise ValueError("M approximates the inverse of a symmetric positive definite A, and a is not symmetric")
    read = read.transposed() if transposed else read
    prepared = Solver(read, device, as_rng(rng), inverse)
    loads, shape = one_row(b) if read.shape == (1, 1) else (b, None)
    answer = prepared.solve(
        loads,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        refine=refine,
        schedule=schedule,
        check_finite=check_finite,
        callback=callback,
        progress=progress,
        return_info=return_info,
    )
    if shape is None:
        return answer
    return (answer[0].reshape(shape), answer[1]) if return_info else answer.reshape(shape)
