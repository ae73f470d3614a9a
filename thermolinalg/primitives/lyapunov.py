"""Lyapunov equations: a X + X aᴴ = q is what the covariance of a device with drift a and noise covariance q solves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array, all_true
from thermolinalg._autograd import detached, wants_gradients
from thermolinalg._info import Info, warn
from thermolinalg._progress import showing
from thermolinalg._validation import as_count, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.estimation.certificate import AT_FLOOR
from thermolinalg.estimation.refinement import State
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_schedule
from thermolinalg.primitives._gradients import Draw, of_lyapunov, replayed
from thermolinalg.primitives._linear_solve import solve_raw, solve_refined
from thermolinalg.primitives._lyapunov import LyapunovEquation, LyapunovMap, read_equation
from thermolinalg.primitives._readings import empty_report
from thermolinalg.primitives._relaxations import Relaxations
from thermolinalg.primitives._tolerance import MAXITER, Tolerance, Wanted, read_rtol
from thermolinalg.systems import Chain, Equation, System
from thermolinalg.systems.routes import Held

__all__ = ["solve_continuous_lyapunov"]


@overload
def solve_continuous_lyapunov(a: Any, q: Any, *, return_info: Literal[False] = ..., **options: Any) -> Array: ...
@overload
def solve_continuous_lyapunov(a: Any, q: Any, *, return_info: Literal[True], **options: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix", "matrix"))
def solve_continuous_lyapunov(
    a: Any,
    q: Any,
    *,
    rtol: float | None = None,
    atol: float = 0.0,
    maxiter: int = MAXITER,
    refine: bool = True,
    schedule: Schedule | None = None,
    device: Device | None = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Solve a X + X aᴴ = q on a simulated thermodynamic device.

    A device dx = −a x dt + B dW with B Bᴴ = q settles, from any start, to a Gaussian of covariance X: its sample
    covariance over N independent readings estimates X with the variances
    :math:`\mathrm{Var}\,\hat X_{ij} = (X_{ii}X_{jj} + X_{ij}^2)/N`. Any other q is a sum of such noises: its Hermitian
    and its skew-Hermitian part, each split into a positive and a negative semidefinite one.

    By default the residual q − a X − X aᴴ is computed digitally, split in the same way and sent back to the device
    until its Frobenius norm is at most rtol ‖q‖ + atol. With ``refine=False`` the answer is what one reading of each
    part returns.

    The device holds S⁻¹ a S with S of powers of two that balance a, under the noise S⁻¹ q S⁻¹: units of the rows do not
    matter.

    Parameters
    ----------
    a : array_like, shape (d, d) or (..., d, d)
        Real or complex, with all eigenvalues in Re > 0, or all in Re < 0 (both sides change sign then). Torch tensors
        give torch tensors.
    q : array_like, shape (d, d) or (..., d, d)
        Any square matrix.
    rtol, atol : float, optional
        Tolerances of the true residual. Default rtol: 1e-10 in double precision, 1e-5 in single.
    maxiter : int, optional
        Device runs at most.
    refine : bool, optional
        Whether to send residuals back to the device.
    schedule : Schedule, optional
        Timetable of every run: `readings` that are independent. Default: as many as make the residual contract
        tenfold per run, more where it does not; without refinement, as many as leave a share of `rtol` of X
        (1e-2 if not given).
    device : Device, optional
        Default: an ideal `GeneralDevice`.
    callback : callable, optional
        Called after each run with the iterate, ``callback(xk)``; as ``callback(intermediate_result=info)`` where its
        parameter has that name, with `x`, `residual_norm` and `n_runs`. StopIteration ends the call with what there is.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside X.

    Returns
    -------
    x : array, shape (d, d) or (..., d, d)
        Hermitian where q is.
    info : Info
        Only with ``return_info=True``: true residual, standard error, schedule, device time.

    Raises
    ------
    LinAlgError
        The eigenvalues of a are not all on one side of the imaginary axis; the message shows them.
    SingularError
        The condition number of X ↦ a X + X aᴴ with a balanced, 2‖a‖‖X₁‖ with the X₁ of q = I, is above 1/(d · eps).
    ValueError
        Shapes that do not fit, NaN or infinity, negative tolerances, readings that are not independent.
    TypeError
        Object, masked, sparse or matrix input; a device with symmetric couplings only.
    OverflowError
        X leaves the range of its precision.

    Warns
    -----
    ThermodynamicWarning
        The tolerance was not reached, and `info.success` is False; or that condition number is above 1e13.

    See Also
    --------
    scipy.linalg.solve_continuous_lyapunov : the same equation by a Schur decomposition.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> a = np.array([[1.0, 5.0], [0.0, 2.0]])
    >>> tla.solve_continuous_lyapunov(a, 2 * np.eye(2)).round(6)
    array([[ 5.166667, -0.833333],
           [-0.833333,  0.5     ]])
    """
    schedule = as_schedule(schedule)
    equation = read_equation(detached(a), detached(q), device)
    asked = read_rtol(rtol, refine=refine)
    tolerance = Tolerance.read(asked, atol, equation.single_like(), definite=False)
    maxiter, generator = as_count(maxiter, "maxiter"), as_rng(rng)
    if equation.a.size == 0:
        x = equation.restore(equation.q)
        info = empty_report(abs(x), "an empty equation")
    elif refine:
        with showing(progress, callback):
            x, info = _Problem(equation).refined(generator, Wanted(tolerance, maxiter, schedule))
    else:
        x, info = _Problem(equation).raw(generator, asked, schedule)
    if wants_gradients(a, q):
        draw = replayed(generator)
        again = partial(_solve_again, draw, device=device, maxiter=maxiter, rtol=rtol if refine else None)
        x = of_lyapunov(x, again, a, q, exact=refine)
    return (x, info) if return_info else x


def _solve_again(draw: Draw, a: Array, q: Array, **options: Any) -> Array:
    """Another equation of the same device."""
    solve: Any = solve_continuous_lyapunov
    return solve(a, q, rng=draw(), **options)


class _Units(System):
    """From the user's q and X to columns of real numbers with q and a near one."""

    def __init__(self, equation: LyapunovEquation) -> None:
        self.equation = equation

    def into(self, b: Array) -> Array:
        return self.equation.pack(b)

    def start(self, x: Array) -> Array:
        return self.equation.pack(x)

    def back(self, x: Array) -> Array:
        return self.equation.restore(self.equation.unpack(x))

    def back_error(self, e: Array) -> Array:
        return self.equation.restore(np.abs(self.equation.unpack(e)), error=True)

    def tolerance(self, t: Array) -> Array:
        return np.ldexp(t, -self.equation.exponents[1])

    def norms(self, norms: np.ndarray) -> np.ndarray:
        return np.asarray(np.ldexp(norms, self.equation.exponents[1]))


@dataclass(frozen=True)
class _Problem:
    """The equation as a linear system of the device that relaxes under it.

    Parameters
    ----------
    equation : LyapunovEquation
    """

    equation: LyapunovEquation

    @cached_property
    def outer(self) -> Chain:
        return Chain((_Units(self.equation),))

    @cached_property
    def runs(self) -> Relaxations:
        return Relaxations(self.equation)

    @cached_property
    def held(self) -> Held:
        equation, why = self.equation, "a is the drift of the device, q its noise"
        matrix, measures, condition = LyapunovMap(equation), equation.measures, equation.condition
        return Held(self.runs, matrix, None, None, measures, condition.largest, condition, "stable", why)

    @cached_property
    def loaded(self) -> Equation:
        return Equation(self.held.matrix, self.outer.into(self.equation.q), self.held.measures, self.held.size)

    def refined(self, rng: np.random.Generator, wanted: Wanted) -> tuple[Array, Info]:
        """The residual goes back to the device until it is small enough."""
        forward = wanted.tolerance.forward

        def resolved(loaded: Equation, state: State) -> bool:
            # Corrections tell nothing of entries that they leave in the noise of others; the law of a covariance does.
            if state.reading is None or state.conjugate or wanted.tolerance.atol > 0:
                return True
            return all_true(loaded.lengths(state.reading.standard_error) <= forward * state.sizes)

        wanted = replace(wanted, resolved=resolved)
        # How far the semidefinite parts of a residual cancel differs from run to run, and with it the readings they
        # take.
        x, info = solve_refined(self.held, self.loaded, self.outer, wanted, rng, alike=wanted.maxiter)
        self._refuse_as_success(x, info, wanted.tolerance)
        return self._answer(x, info)

    def _refuse_as_success(self, x: Array, info: Info, tolerance: Tolerance) -> None:
        """No success where the residual is rounding in balanced units only, as a run that was cut short may leave."""
        residual = float(np.ldexp(info.residual_norm, -self.equation.exponents[1]))
        user, size = self.held.measures[0], self.equation.size_in_units_of_the_user
        load, length = float(user.residual(self.loaded.rhs)[0]), float(user.solution(x)[0])
        target = tolerance.rtol * load + float(np.ldexp(tolerance.atol, -self.equation.exponents[1]))
        floor = (AT_FLOOR + x.shape[0] ** 0.5) * self.loaded.eps * (size * length + load)
        if info.success and residual > max(1.001 * target, floor):
            message = (
                f"the true residual {info.residual_norm:.3g} is rounding in the units in which a is balanced, but not "
                "in those of a; pass a larger maxiter=, or a and q in the units of scipy.linalg.matrix_balance(a)"
            )
            info.update(success=False, status=max(info.n_runs, 1), message=message)
            warn(message)

    def raw(self, rng: np.random.Generator, rtol: float | None, schedule: Schedule | None) -> tuple[Array, Info]:
        """One reading of each semidefinite part, and nothing else."""
        x, info = solve_raw(self.held, self.loaded, self.outer, rtol, schedule, rng)
        runs, spread = info.ledger.runs, self.runs.spread

        def rounding() -> Array:
            equation = self.equation
            return equation.restore(equation.rounding(equation.unpack(x), spread), error=True)

        def standard_error() -> Array:
            parts = (info.noise, info.rounding, info.systematic)
            return sum(part for part in parts if part is not None)

        info.update(n_runs=runs, effective_sample_size=info.schedule.readings)
        info.update(rounding=rounding, standard_error=standard_error)
        return self._answer(x, info)

    def _answer(self, x: Array, info: Info) -> tuple[Array, Info]:
        """X in the user's units and precision, with the rounding that takes in its error bar."""
        equation, value = self.equation, self.equation.unpack(x)
        value = equation.restore((value + value.conj().T) / 2 if equation.hermitian else value)
        if equation.single:
            own = float(np.finfo(np.float32).eps) * abs(value)
            told = Info(info)  # of the answer in double precision
            info.update(rounding=lambda: told.rounding + own, standard_error=lambda: told.standard_error + own)
        return value, info
