"""The diagonal of the inverse: how much each node of the device fluctuates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, cast, overload

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, namespace
from thermolinalg._info import Info, warn
from thermolinalg._progress import seen_as, showing, watched
from thermolinalg._validation import as_relative, as_rng
from thermolinalg.devices import Device, LangevinDevice, LangevinProgram, Program
from thermolinalg.devices.watched import AlreadyWritten, watched_program
from thermolinalg.estimation.covariance import readings_for
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.spectrum import LARGE
from thermolinalg.operators import Dense, Operator, Sparse
from thermolinalg.operators.read import ReadMatrix, read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device
from thermolinalg.primitives._diagonal import Found, read_diagonal
from thermolinalg.primitives._gradients import of_inverse_diagonal
from thermolinalg.primitives._readings import (
    declare,
    empty_report,
    end_early,
    readings_report,
    relative_rounding,
)
from thermolinalg.primitives._refusals import refusing, require_symmetric
from thermolinalg.primitives.solver import Solver
from thermolinalg.systems.chosen import undistorted
from thermolinalg.systems.rescaled import matrix_exponent, times_two_to
from thermolinalg.systems.structure import refuse_structurally_singular

__all__ = ["inv_diagonal"]

SLACK = 1.01
"""Readings are planned for an error of rtol to the last digit: rounding of up to a hundredth of it is no failure."""

ROUNDS = 16
"""In which variances are read where a callback looks at them."""

GENERAL = "inv(A) takes any A that is not singular"
"""What works where a matrix is not positive definite."""

SINGULAR = "pinv(A) is its inverse on the range of A"
"""What works where it is singular."""


@overload
def inv_diagonal(A: Any, *, return_info: Literal[False] = ..., **kwargs: Any) -> Array: ...
@overload
def inv_diagonal(A: Any, *, return_info: Literal[True], **kwargs: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix",))
def inv_diagonal(
    A: Any,
    *,
    rtol: float = 1e-2,
    method: Literal["readings", "factor"] = "readings",
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    return_info: bool = False,
) -> Any:
    r"""Diagonal of A⁻¹ from the variance of each node of a simulated thermodynamic device.

    In equilibrium node i has the variance :math:`T (A^{-1})_{ii}`. N independent readings know it with the relative
    standard error :math:`\sqrt{2/(N - 1)}`, whatever A is: N is set by `rtol`. A need only be known by its products.
    Of a large sparse A fewer readings do: each node is told by its variance given all but some nodes around it, and by
    how its conditional mean scatters (Rao–Blackwell).

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive definite. Torch tensors give torch tensors.
    rtol : float, optional
        Relative standard error of each entry.
    method : {'readings', 'factor'}, optional
        'factor' asks no device: a factor of A gives the diagonal digitally, of sparse A by selected inversion
        (Takahashi), right to rounding. It is what readings are measured by, and often cheaper where a factor fits.
    assume_a : str, optional
        As in `solve`: 'pos', 'sym' or 'her' reads one triangle.
    lower : bool, optional
        Which triangle is read when `assume_a` names a symmetric structure.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    callback : callable, optional
        Shown the estimate so far, as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where its parameter
        has that name; variances are then read in rounds. StopIteration ends the call with what there is.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    return_info : bool, optional
        Whether to return an `Info` beside the diagonal.

    Returns
    -------
    diagonal : array, shape (d,) or (..., d)
        Real, in the namespace and precision of the input.
    info : Info
        Only with ``return_info=True``: `noise`; `rounding`, a bound for a spectrum known to eps · ‖A‖; their sum as
        `standard_error` (with `systematic`, None where a device does not tell it); `condition`, schedule, engine.

    Raises
    ------
    LinAlgError
        A is not symmetric, singular or not positive definite; the message holds the evidence.
    ValueError
        NaN or infinity, rtol not positive, an unknown method, a device for 'factor', or entries of the inverse beyond
        the range of the dtype.
    TypeError
        Object, masked or matrix input.

    Warns
    -----
    ThermodynamicWarning
        A is so ill-conditioned that rounding leaves more than `rtol`; `info.success` is False.

    See Also
    --------
    inv : All of A⁻¹.
    PreparedDevice.variance_of : Variances of linear functions.

    Notes
    -----
    No residual can certify a diagonal: the standard error is all there is. Its square falls as 1/N.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660. K. Takahashi, J. Fagan and M.-S. Chin, Formation of a
    sparse bus impedance matrix, 8th PICA conference (1973).

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> values, info = tla.inv_diagonal(A, rng=0, return_info=True)
    >>> exact = tla.inv_diagonal(A, method="factor")
    >>> bool(np.all(abs(values - exact) < 5 * info.standard_error))
    True
    """
    read = read_matrix(A, assume_a=assume_a, lower=lower, check_finite=check_finite, gradients=True)
    rtol, generator = as_relative(rtol, "rtol"), as_rng(rng)
    if method not in ("readings", "factor"):
        raise ValueError(f"method must be 'readings' or 'factor', got {method!r}")
    matrix = require_symmetric(read, "the variance of a node", "the diagonal of inv(A) is that of any A")
    if read.shape[0] == 0:
        value = as_array(np.zeros(0), matrix.like)
        info = empty_report(value, "an empty matrix")
        value = of_inverse_diagonal(value, partial(Solver, read, device), read.graph, generator)
        return (value, info) if return_info else value
    copies, exponent = 2 if read.is_complex else 1, matrix_exponent(matrix)
    if exponent:
        matrix = matrix.scaled(2.0**-exponent)
    if method == "factor":
        with showing(progress):
            return _digital(read, matrix, exponent, rtol, device, generator, return_info=return_info)
    count = readings_for(rtol, 1, copies=copies)

    def of_one_copy(value: Array) -> Array:
        half = value.shape[0] // copies
        return (value[:half] + value[half:]) / 2 if read.is_complex else value

    device = as_device(device)
    with refusing(GENERAL, singular=SINGULAR), showing(progress, callback, "diagonal") as watch:
        refuse_structurally_singular(matrix, is_complex=read.is_complex)
        program = watched_program(device, matrix, generator)
        if (itself := undistorted(device, program, matrix)) is not None:
            itself.rate()
        with seen_as(lambda value: times_two_to(np.array([-exponent]), of_one_copy(value)[:, None])[:, 0]):
            rounds = 1 if watch.callback is None else ROUNDS
            found = read_diagonal(program, matrix, rtol, count, rng=generator, rounds=rounds)
    if read.is_complex:
        found = replace(found, value=of_one_copy(found.value), noise=found.noise[: read.shape[0]] / 2**0.5)
    if found.health is None or not found.health.failed:
        value = _in_user_units(found.value, exponent)
    else:  # whatever a sick device reads
        value = times_two_to(np.array([-exponent]), found.value[:, None])[:, 0]
    info = _report(program, found, value, rtol)
    value = of_inverse_diagonal(value, partial(Solver, read, AlreadyWritten(program)), read.graph, generator)
    return (value, info) if return_info else value


def _digital(
    read: ReadMatrix,
    matrix: Operator,
    exponent: int,
    rtol: float,
    device: Device | None,
    generator: np.random.Generator,
    *,
    return_info: bool,
) -> Any:
    """The diagonal from a factor of A, and its report."""
    d = read.shape[0]
    if device is not None:
        raise ValueError("method='factor' is digital: leave device= out, or pass method='readings'")
    if not isinstance(matrix, Dense | Sparse) and d > LARGE:
        raise TypeError(
            f"method='factor' takes A of {d} rows as an array or as a sparse array; pass method='readings', which only "
            "needs its products"
        )
    with refusing(GENERAL, singular=SINGULAR):
        refuse_structurally_singular(matrix, is_complex=read.is_complex)
        loaded = cast(LangevinProgram, LangevinDevice().program(matrix))
        loaded.rate()  # which refuses singular A with the evidence
        factor = Factorised(loaded.effective, loaded.largest)
    found = as_array(0.0, matrix.like)
    for step in watched(factor.inverse_diagonal(), "selected inversion"):
        found = found if step is None else step
    value = loaded.to_user(loaded.to_user(found[:, None], 1.0), 1.0)[:, 0]
    if read.is_complex:
        value = (value[:d] + value[d:]) / 2
    value = _in_user_units(value, exponent)
    rounding = relative_rounding(d, value, loaded.condition)
    success = rounding <= SLACK * rtol
    message = f"digital, from a factor of A: rounding leaves a relative error of about {rounding:.2g}"
    if not success:
        message = f"{message} at the condition number {loaded.condition:.3g}, more than rtol={rtol:g}"
        warn(message)
    info = empty_report(0 * value, message)
    info.update(success=success, status=0 if success else 1, condition=loaded.condition, residual_norm=None)
    info.update(rounding=rounding * value, standard_error=rounding * value, backward_error=None)
    info.update(engine=factor.name, reason="method='factor': digital work, no device is asked")
    value = of_inverse_diagonal(value, partial(Solver, read, None), read.graph, generator)
    return (value, info) if return_info else value


def _in_user_units(value: Array, exponent: int) -> Array:
    """The diagonal times 2^−exponent; ValueError where it leaves the range of its dtype."""
    scaled = times_two_to(np.array([-exponent]), value[:, None])[:, 0] if exponent else value
    xp = namespace(scaled)
    if not bool(xp.all(xp.isfinite(scaled) & (scaled > 0))):
        limits = xp.finfo(scaled.dtype)
        smallest, largest = float(limits.smallest_normal), float(limits.max)
        raise ValueError(
            f"the diagonal of the inverse leaves the range of {dtype_name(scaled)}, {smallest:.2g} to {largest:.2g}; "
            "scale A nearer to 1"
        )
    return scaled


def _report(program: Program, found: Found, value: Array, rtol: float) -> Info:
    """The report of a diagonal."""
    noise, systematic = found.noise, found.systematic
    rounding = relative_rounding(value.shape[0], value, found.condition)
    errors = noise + rounding + (systematic or 0.0)
    error = float(errors.max())
    success = error <= SLACK * rtol
    if success:
        advice = "pass a smaller rtol= for more readings"
    elif (systematic or 0.0) > SLACK * rtol:
        advice = f"of which this device, whatever it reads, errs by {systematic:.2g}; pass one with less imperfections"
    else:
        advice = f"of which rounding alone has {rounding:.2g} at the condition number {found.condition or 1:.3g}"
    message = f"no residual can certify a diagonal: its relative standard error is {error:.2g}; {advice}"
    if not (success or found.stopped):
        warn(message)
    if systematic is None:
        message = (
            f"the error bar holds noise and rounding only: this device errs in ways that it does not tell; {message}"
        )
    info = readings_report(program, found.schedule, 2.0, message)
    info.update(success=success, status=0 if success else 1, condition=found.condition)
    info.update(noise=noise * value, rounding=rounding * value, standard_error=errors * value)
    info.systematic = None if systematic is None else systematic * value
    if found.stopped:
        end_early(info, found.stopped, "readings", enough=success)
    declare(info, found.health)
    return info
