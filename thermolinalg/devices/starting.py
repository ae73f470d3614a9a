"""Starts with the slow modes where they will settle, so that only the others have to relax."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, lobpcg

from thermolinalg._arrays import Array, as_array, to_numpy
from thermolinalg._validation import as_count, as_rng, checked_array
from thermolinalg.devices.mitigation import WrappedProgram
from thermolinalg.devices.protocols import Device, Program, checked_device
from thermolinalg.devices.reading import Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import EQUILIBRIUM_TIMES
from thermolinalg.operators import Operator
from thermolinalg.operators.read import read_matrix

__all__ = ["PreparedStart", "PreparedStartProgram", "Start"]

GUARDS = 2
"""Modes more than are looked at, so that none of equal eigenvalue is passed over."""

CONVERGED = 0.01
"""Residual, relative to its eigenvalue, from which on a mode is believed to be the next one."""

PRECISION = 1e-11
"""Residual of a mode, relative to the size of A, at which the search ends."""


@dataclass(frozen=True)
class Start:
    """What a prepared start is expected to save, of one run.

    Parameters
    ----------
    modes : int
        Slow modes that are prepared; 0 where it would not pay.
    gain : float
        Burn-in from zero over that from here.
    burn_in : float
        In units of τ.
    left : float
        Share of their start that the slow modes keep: errors of the modes, and of the copy of A on the device.
    products : int
        Digital products with A that finding the modes took, once for each A.

    See Also
    --------
    PreparedStart : Makes it.
    """

    modes: int
    gain: float
    burn_in: float
    left: float
    products: int

    def __str__(self) -> str:
        if not self.modes:
            return f"no slow modes are worth preparing, which {self.products} digital products with A found"
        return (
            f"{self.modes} slow modes start where they settle: burn-in shorter by {self.gain:.3g}, for "
            f"{self.products} digital products with A"
        )


@dataclass(frozen=True)
class PreparedStart:
    r"""A device whose voltages start where its slow modes will settle: :math:`x(0) = V (V^T A V)^{-1} V^T b`.

    From zero, a run burns in until the slowest mode λ₁ has forgotten its start. With k slow modes V at their means, it
    is λ_{k+1} that counts: the burn-in is shorter by λ_{k+1}/λ₁, less where V is not exact. Modes are found digitally,
    by products with A, once for each A that is written; as many products of conjugate gradients go far towards x
    itself, so that it pays for many loads of one A, where V is known, or where the device's time is what is scarce.
    The averaging after the burn-in is as long as it was.

    Parameters
    ----------
    device : Device
        What holds A.
    modes : int or array_like of shape (d, k), optional
        How many slow modes are looked for, or a basis V of them; its columns may be any independent vectors.
    iterations : int, optional
        Steps of LOBPCG at most, of k + 3 products each.

    Raises
    ------
    ValueError
        Fewer than one mode or step, or a basis that is not a finite real array of independent columns.

    See Also
    --------
    Averaged, Calibrated, Ensemble : Other devices around devices.

    References
    ----------
    Knyazev, Toward the optimal preconditioned eigensolver, SIAM J. Sci. Comput. 23 (2001).

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.diag([0.01, 0.02, *np.linspace(1.0, 2.0, 30)]) + 1e-4
    >>> device = PreparedStart(tla.LangevinDevice(loading=tla.AsWritten()), modes=2)
    >>> x, info = tla.solve(A, np.ones(32), refine=False, device=device, rng=0, return_info=True)
    >>> info.start.modes, 50 < info.start.gain < 110
    (2, True)
    """

    device: Device
    modes: Any = 4
    iterations: int = 100

    def __post_init__(self) -> None:
        checked_device(self.device)
        if np.ndim(self.modes) == 0:
            as_count(self.modes, "modes")
        else:
            basis = checked_array(self.modes, "modes", ndim=(2,))
            if np.iscomplexobj(basis) or np.linalg.matrix_rank(to_numpy(basis)) < max(basis.shape[1], 1):
                raise ValueError(f"modes must be a number, or real independent columns, got shape {tuple(basis.shape)}")
        as_count(self.iterations, "iterations")

    def program(self, A: Any, *, rng: Any = None) -> PreparedStartProgram:
        """Write A into the device, and look for its slow modes.

        Parameters
        ----------
        A : array_like or Operator, shape (d, d)
            Symmetric positive definite.
        rng : None, int or numpy.random.Generator, optional

        Returns
        -------
        PreparedStartProgram

        Raises
        ------
        TypeError
            A is not symmetric, or held in an embedding.
        ValueError
            A basis of another length than d.
        """
        operator = A if isinstance(A, Operator) else read_matrix(A).operator
        if not operator.symmetric:
            raise TypeError("starts are prepared along modes of a symmetric A, and A is not; leave PreparedStart out")
        program = self.device.program(operator, rng=as_rng(rng))
        imperfections = getattr(self.device, "imperfections", None)
        distortion = float(getattr(program, "distortion", 0.0))
        if imperfections is not None:
            distortion = max(distortion, imperfections.distortion + imperfections.capacitors.known("mismatch"))
        return PreparedStartProgram(program, operator, self.modes, self.iterations, distortion)


class _Modes:
    """The modes of S A S with the smallest eigenvalues, as far as they are found.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        A.
    scaling : ndarray, shape (d,)
        Diagonal of S.
    block : ndarray, shape (d, k)
        Start of the search; it holds some of each of them.
    iterations : int

    Attributes
    ----------
    values, residuals : ndarray, shape (k,)
        Ritz values, ascending, and the norms of the residuals of their vectors.
    vectors : ndarray, shape (d, k)
        S times these, in the user's units.
    products : int
        With A, that it took.
    """

    def __init__(self, operator: Operator, scaling: np.ndarray, block: np.ndarray, iterations: int) -> None:
        self.operator, self.scaling, self.products = operator, scaling, 0
        d, k = block.shape
        if 5 * k < d:
            inner = LinearOperator((d, d), matvec=self._apply, matmat=self._apply, dtype=np.float64)
            size = float(np.linalg.norm(self._apply(block[:, -1:])) / np.linalg.norm(block[:, -1:]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the residuals below tell how far it came
                block = lobpcg(inner, block, largest=False, maxiter=iterations, tol=PRECISION * size)[1]
        else:
            block = np.eye(d)
        block = np.linalg.qr(block)[0]
        turned = self._apply(block)
        small = block.T @ turned
        self.values, rotation = np.linalg.eigh((small + small.T) / 2)
        vectors = block @ rotation
        self.residuals = np.linalg.norm(turned @ rotation - vectors * self.values, axis=0)
        self.vectors = scaling[:, None] * vectors

    def _apply(self, v: np.ndarray) -> np.ndarray:
        """S A S v."""
        scaled = self.scaling[:, None] * v.reshape(len(v), -1)
        self.products += scaled.shape[1]
        turned = to_numpy(self.operator.apply(as_array(scaled, self.operator.like))).astype(np.float64)
        return np.asarray((self.scaling[:, None] * turned).reshape(v.shape))


class PreparedStartProgram(WrappedProgram):
    """A matrix in a `PreparedStart` device.

    Parameters
    ----------
    program : Program
    operator : Operator, shape (d, d)
        A.
    modes : int or array_like of shape (d, k)
    iterations : int
    distortion : float
        Relative error of the copy of A on the device.

    Attributes
    ----------
    start : Start
        What is saved.
    distortion : float
    """

    def __init__(self, program: Program, operator: Operator, modes: Any, iterations: int, distortion: float) -> None:
        super().__init__(program)
        self.distortion, d = distortion, operator.shape[0]
        scaling = getattr(program, "scaling", None)
        scaling = np.ones(d) if scaling is None else to_numpy(scaling).astype(np.float64)
        given = np.zeros((d, 0)) if np.ndim(modes) == 0 else to_numpy(modes).astype(np.float64)
        if len(given) != d:
            raise ValueError(f"modes has {len(given)} rows, and A has {d}")
        count = int(modes) if np.ndim(modes) == 0 else given.shape[1]
        block = np.random.default_rng(0).standard_normal((d, min(count + 1 + GUARDS, d)))
        block[:, : given.shape[1]] = given[:, : block.shape[1]] / scaling[:, None]
        found = _Modes(operator, scaling, block, iterations)
        self.start, self._rates = self._expected(found, count)
        self._values, self._vectors = found.values[: self.start.modes], found.vectors[:, : self.start.modes]

    @property
    def ideal(self) -> bool:  # type: ignore[override]
        """Whether the device inside is."""
        return bool(getattr(self.program, "ideal", False))

    @property
    def products(self) -> int:
        """Digital products with A that writing it took."""
        return self.start.products

    def told(self) -> str:
        """What is prepared, and what it saves."""
        return str(self.start)

    def describe(self) -> dict[str, Any]:
        """As the device inside, with `start`."""
        return super().describe() | {"start": self.start}

    def timetable(self, b: Array, relative: float) -> Schedule:
        """As that of the device inside, with the burn-in that is left."""
        schedule = super().timetable(b, relative)
        return replace(schedule, burn_in=min(schedule.burn_in, self.start.burn_in))

    def left(self, burn_in: float) -> float:
        """Share of the start of the slowest mode that is left after a burn-in."""
        slowest, beyond = self._rates
        return max(self.start.left * math.exp(-slowest * burn_in), math.exp(-beyond * burn_in))

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k) and the start that goes with it, unless another is given; average the voltages."""
        if start is None and self.start.modes:
            start = self.begin(b)
            self.ledger.values_in += b.shape[0] * b.shape[1]
        return super().average(b, schedule, rng=rng, start=start, state=state)

    def begin(self, b: Array) -> Array:
        """The start V (VᵀAV)⁻¹Vᵀb (d, k) for the loads b (d, k)."""
        along = self._vectors.T @ to_numpy(b).astype(np.float64)
        return as_array(self._vectors @ (along / self._values[:, None]), b)

    def _expected(self, found: _Modes, count: int) -> tuple[Start, tuple[float, float]]:
        """As many modes as shorten the burn-in most, and the rates of the slowest mode and of those not prepared."""
        slowest, values, residuals = self.rate(), found.values, found.residuals
        cold = EQUILIBRIUM_TIMES / slowest
        best = Start(0, 1.0, cold, 1.0, found.products), (slowest, slowest)
        copied = self.distortion * float(getattr(self.program, "condition", math.inf)) if self.distortion else 0.0
        for k in range(1, min(count + 1, len(values))):
            gap = values[k] - residuals[k] - values[k - 1]
            if gap <= 0 or residuals[k] > CONVERGED * values[k] or values[0] <= 0:
                continue
            # The angle of Davis and Kahan; an error δ of the copy moves by κδ what slow modes settle to.
            left = min(1.0, float(np.linalg.norm(residuals[:k])) / gap + copied)
            beyond = self._rate_above(float(values[k] - residuals[k]), slowest * float(values[k] / values[0]))
            burn_in = max((EQUILIBRIUM_TIMES + math.log(max(left, 1e-300))) / slowest, EQUILIBRIUM_TIMES / beyond)
            if burn_in < best[0].burn_in:
                best = Start(k, cold / burn_in, burn_in, float(left), found.products), (slowest, beyond)
        return best

    def _rate_above(self, value: float, proportional: float) -> float:
        """Rate of the slowest mode from an eigenvalue of S A S on; proportional to it where a device does not tell."""
        told = getattr(self.program, "rate_above", None)
        return proportional if told is None else float(told(value))
