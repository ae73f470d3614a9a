"""A prepared device: A is written once, and every further question about it is a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from thermolinalg._autograd import detached
from thermolinalg._validation import as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.devices.watched import AlreadyWritten
from thermolinalg.operators.read import read_matrix, shifted_matrix
from thermolinalg.primitives._preconditioner import shortening
from thermolinalg.primitives._pricing import CallPrice, price_of
from thermolinalg.primitives._quadratic_form import QuadraticForm, form_of, variances_of
from thermolinalg.primitives.determinant import logabsdet, slogdet
from thermolinalg.primitives.inverse_diagonal import inv_diagonal
from thermolinalg.primitives.sampling import sample
from thermolinalg.primitives.solver import Solver

__all__ = ["PreparedDevice", "QuadraticForm", "program"]

Watcher = Callable[..., Any] | None


class PreparedDevice(Solver):
    """A matrix written into a device, ready for any number of calls; made by `program`.

    It pickles (the copy of A is then written again, with the same imperfections, when first needed), and its ledger
    runs on from call to call.

    Parameters
    ----------
    read : ReadMatrix
        A.
    device : Device or None
        What A is written into; None is the default device of each way.
    rng : numpy.random.Generator
        Draws the imperfections of the copy and, unless a call brings its own, all noise.
    inverse : Operator, optional
        An approximation of A⁻¹ that makes simulated runs short, for symmetric A.

    See Also
    --------
    program : Makes one.
    ThermodynamicInverse : One as a preconditioner of SciPy's solvers.
    """

    # -- other questions ----------------------------------------------------------------------------------------------

    def diagonal(
        self,
        *,
        rtol: float = 1e-2,
        callback: Watcher = None,
        progress: bool = False,
        rng: Any = None,
        return_info: bool = False,
    ) -> Any:
        """Diagonal of A⁻¹ from the variance of each node; all else as `thermolinalg.inv_diagonal`."""
        asked: dict[str, Any] = {"rtol": rtol, "callback": callback, "progress": progress, "return_info": return_info}
        return inv_diagonal(self.read, device=self._written("definite"), rng=self._stream(rng), **asked)

    def logdet(
        self,
        *,
        atol: float = 1e-2,
        method: str | None = None,
        max_readings: int | None = None,
        callback: Watcher = None,
        progress: bool = False,
        rng: Any = None,
        return_info: bool = False,
    ) -> Any:
        """log|det A|; parameters and errors as `thermolinalg.logabsdet`.

        A definite matrix (or its negative) is driven where it stands; of any other the normal operator is written.
        """
        definite = 0 not in self.shape and self.held.kind in ("definite", "negative")
        measure = slogdet if definite else logabsdet
        value, info = measure(
            self.read,
            atol=atol,
            method=method,
            max_readings=max_readings,
            callback=callback,
            progress=progress,
            device=self._written("definite", "negative"),
            rng=self._stream(rng),
            return_info=True,
        )
        value = value.logabsdet if definite else value
        return (value, info) if return_info else value

    def sample(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        b: Any = None,
        mean: Any = None,
        temperature: float = 1.0,
        schedule: Schedule | None = None,
        callback: Watcher = None,
        progress: bool = False,
        rng: Any = None,
        return_info: bool = False,
    ) -> Any:
        """Draw from N(A⁻¹b, T A⁻¹); all else as `thermolinalg.sample`."""
        draw: Any = sample
        return draw(
            self.read,
            size,
            b=b,
            mean=mean,
            temperature=temperature,
            schedule=schedule,
            callback=callback,
            progress=progress,
            device=self._written("definite"),
            rng=self._stream(rng),
            return_info=return_info,
        )

    def quadratic_form(
        self,
        b: Any,
        *,
        rtol: float | None = None,
        atol: float = 1e-2,
        method: str | None = None,
        progress: bool = False,
        rng: Any = None,
        return_info: bool = False,
    ) -> Any:
        """bᴴA⁻¹b and log|det A| together: what the log-density of a Gaussian of precision or covariance A needs.

        With x the refined solution and r its true residual, the form is bᴴx + (A⁻ᴴb)ᴴr; for Hermitian A the second term
        is xᴴr, and what is left is of second order in the error of x.

        Parameters
        ----------
        b : array_like, shape (d,) or (d, k)
        rtol : float, optional
            As `solve`.
        atol, method, progress : optional
            As `logdet`.
        rng : None, int or numpy.random.Generator, optional
        return_info : bool, optional
            Whether to return an `Info` with the reports of both parts, `solve` and `logdet`.

        Returns
        -------
        QuadraticForm
            Named tuple (value, logdet); `value` has shape () or (k,), one form for each column of b.
        info : Info
            Only with ``return_info=True``; `standard_error` is that of `value`.

        Examples
        --------
        >>> import numpy as np
        >>> import thermolinalg as tla
        >>> form = tla.program(np.diag([1.0, 4.0]), rng=0).quadratic_form([1.0, 2.0], atol=1e-3)
        >>> round(float(form.value), 9), bool(abs(form.logdet - np.log(4.0)) < 0.01)
        (2.0, True)
        """
        solved = self.solve(b, rtol=rtol, progress=progress, rng=rng, return_info=True)
        measured = self.logdet(atol=atol, method=method, progress=progress, rng=rng, return_info=True)
        form, info = form_of(self.read, b, solved, measured)
        info.update(ledger=self.ledger, device_time=self.ledger.device_time)
        return (form, info) if return_info else form

    def variance_of(
        self,
        L: Any,
        *,
        rtol: float | None = None,
        progress: bool = False,
        rng: Any = None,
        return_info: bool = False,
    ) -> Any:
        """Diagonal of L A⁻¹ Lᴴ: the variances of the linear functions L x of x ~ N(0, A⁻¹), each by a refined solve.

        Parameters
        ----------
        L : array_like or sparse array, shape (d,) or (m, d)
            One row for each function; a vector is one.
        rtol : float, optional
            As `solve`, for the columns of Lᴴ.
        progress : bool, optional
            Whether to show a progress bar at once; long work shows one anyway.
        rng : None, int or numpy.random.Generator, optional
        return_info : bool, optional
            Whether to return the report of the solves, with the errors of the variances.

        Returns
        -------
        array, shape () or (m,); and an Info with return_info=True

        Examples
        --------
        >>> import numpy as np
        >>> import thermolinalg as tla
        >>> prepared = tla.program(np.diag([1.0, 4.0]), rng=0)
        >>> prepared.variance_of([[1.0, 0.0], [1.0, 2.0]]).round(9)
        array([1., 2.])
        """
        solve = partial(self.solve, rtol=rtol, progress=progress, rng=rng, return_info=True)
        value, info = variances_of(self.read, L, solve)
        return (value, info) if return_info else value

    # -- other matrices on the same device ----------------------------------------------------------------------------

    def update(self, A: Any, *, assume_a: str | None = None, lower: bool = False) -> PreparedDevice:
        """Write another A into the same device; its ledger runs on.

        A may be of any size; `assume_a` and `lower` as for `program`. Returns this device.
        """
        if "held" in vars(self):
            self._carried = self.ledger
        self._take(read_matrix(A, assume_a=assume_a, lower=lower, gradients=True), self._die)
        return self

    def shifted(self, mu: float) -> PreparedDevice:
        """The device for A + μI.

        Where A is held as it is, by an engine that knows its eigenvectors and with one scale for all nodes, a shift
        moves the spectrum and nothing has to be written or decomposed again; the ledger is then shared. Else A + μI is
        written anew, when first asked.

        Parameters
        ----------
        mu : float or tensor
            μ; A + μI has to be nonsingular, and positive definite where A was held as such.

        Returns
        -------
        PreparedDevice

        Raises
        ------
        ValueError
            μ is not finite.

        Examples
        --------
        >>> import numpy as np
        >>> import thermolinalg as tla
        >>> prepared = tla.program(np.array([[2.0, 1.0], [1.0, 2.0]]), rng=0)
        >>> np.allclose(prepared.shifted(1.0).solve([4.0, 4.0]), [1.0, 1.0])
        True
        """
        shift = float(detached(mu))
        if not math.isfinite(shift):
            raise ValueError(f"mu must be finite, got {mu!r}")
        other = PreparedDevice(shifted_matrix(self.read, mu), self._device, self.rng)
        other._die = self._die
        definite = 0 not in self.shape and self.held.kind == "definite"
        moved = getattr(self.program, "shifted", None) if definite else None
        if moved is not None and other.exponent == self.exponent:
            program = moved(math.ldexp(shift, -self.exponent))
            if program is not None:
                other.__dict__["held"] = other._router.hold_written(program)
        return other

    def price(self, call: str = "solve", *, b: Any = None, rtol: float | None = None) -> CallPrice:
        """What a call would take, before it runs.

        Parameters
        ----------
        call : {'solve', 'inv', 'diagonal', 'sample'}
        b : array_like, optional
            Right-hand side of a solve. Default: standard normal numbers.
        rtol : float, optional
            As the call takes it.

        Returns
        -------
        CallPrice
            Runs, device time and readings expected, and the engine with its declared cost.

        Raises
        ------
        ValueError
            An unknown call.
        """
        return price_of(self, call, b, rtol)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _stream(self, rng: Any) -> np.random.Generator:
        """The call's own source of randomness, or the device's."""
        return self.rng if rng is None else as_rng(rng)

    def _written(self, *kinds: str) -> Device:
        """The device with A on it already, where it is held in one of these ways; else the device as it is."""
        written = 0 not in self.shape and self.held.kind in kinds
        return AlreadyWritten(self.program) if written else self._router.device


def program(
    A: Any,
    *,
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    M: Any = None,
    device: Device | None = None,
    rng: Any = None,
) -> PreparedDevice:
    """Write A into a device once, for many calls.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d)
        Any square matrix.
    assume_a, lower, check_finite : optional
        As `thermolinalg.solve`.
    M : array_like, sparse array or LinearOperator, shape (d, d), optional
        Approximation of A⁻¹ for a symmetric positive definite A, as `thermolinalg.solve` takes it.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`; a `GeneralDevice` where `assume_a` is 'stable'.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness of the copy and of every call that brings none of its own.

    Returns
    -------
    PreparedDevice
        With methods for every question about A.

    Raises
    ------
    ValueError
        A is not square, or holds NaN or infinity.
    TypeError
        Object, masked or matrix input.

    See Also
    --------
    thermolinalg.solve : one call.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> device = tla.program(np.array([[4.0, 1.0], [1.0, 3.0]]), rng=0)
    >>> np.allclose(device.solve([1.0, 2.0]), [1 / 11, 7 / 11])
    True
    """
    read = read_matrix(A, assume_a=assume_a, lower=lower, check_finite=check_finite, gradients=True)
    return PreparedDevice(read, device, as_rng(rng), shortening(M, read, device))
