"""Gaussian transitions: the law of a general linear device's state after a time, exact for every M and D.

Nothing here needs eigenvectors, a symmetric or invertible M, or an invertible D. The law of a short step comes from the
Taylor series of the block exponential, longer times from composing the law with itself: only sums of positive
semidefinite terms, so nothing cancels.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Matrix",
    "Rng",
    "Size",
    "Transition",
    "check_drift",
    "check_noise",
    "check_real",
    "check_time",
    "norm_bound",
    "short_covariance",
    "transition",
]

Matrix = NDArray[np.float64]
Rng = np.random.Generator | np.random.SeedSequence | int | None
Size = int | tuple[int, ...] | None

FEW = 256
"""Order up to which the spectrum of a covariance costs nothing that is noticed."""

CERTAIN = 1e-4
"""Pivots of correlations above which a Cholesky factor is as good a root as the spectrum, in a tenth of its time."""

_TAYLOR_TERMS = 20  # ‖M‖h ≤ 1/2, so the covariance series stops at 1/21! < 1e-19


@dataclass(frozen=True)
class Transition:
    """Gaussian law of a linear device's state after some time: N(P x0 + R c, Q).

    Parameters
    ----------
    decay : ndarray, shape (e, d)
        P, the memory of the start; e^{−Mt} where the output is the state itself.
    covariance : ndarray, shape (e, e)
        Q, symmetric positive semidefinite.
    response : ndarray, shape (e, d)
        R, the response to the constant load c; ∫₀ᵗ e^{−Ms} ds where the output is the state itself.

    See Also
    --------
    transition : the law of the state after a time t.
    """

    decay: Matrix
    covariance: Matrix
    response: Matrix

    def then(self, later: Transition) -> Transition:
        """Law of `self` followed by `later` under the same load.

        P ← P₂P₁, Q ← P₂Q₁P₂ᵀ + Q₂, R ← P₂R₁ + R₂.

        Parameters
        ----------
        later : Transition
            What happens next; it acts on the output of `self`.

        Returns
        -------
        Transition
            From the start of `self` to the output of `later`.

        Raises
        ------
        OverflowError
            If the composed law leaves the range of double precision.

        Examples
        --------
        >>> import numpy as np
        >>> half, whole = (transition([[1.0, 5.0], [0.0, 2.0]], 2 * np.eye(2), t) for t in (0.5, 1.0))
        >>> np.allclose(half.then(half).covariance, whole.covariance, rtol=1e-14)
        True
        """
        with np.errstate(over="ignore", invalid="ignore"):
            carried = later.decay @ self.covariance @ later.decay.T
            law = Transition(
                later.decay @ self.decay,
                (carried + carried.T) / 2 + later.covariance,
                later.decay @ self.response + later.response,
            )
        return _finite(law)

    def mean(self, x0: ArrayLike, c: ArrayLike | None = None) -> Matrix:
        """Mean P x0 + R c.

        Parameters
        ----------
        x0 : array_like, shape (d,) or (d, k)
            Start; columns are replicas.
        c : array_like, shape (d,) or (d, k), optional
            Load; none if omitted.

        Returns
        -------
        ndarray, shape (e,) or (e, k)
            One column for each replica.
        """
        mean = self.decay @ self._columns("x0", x0)
        if c is not None:
            mean = mean + self.response @ self._columns("c", c)
        return mean if max(np.ndim(x0), np.ndim(0 if c is None else c)) == 2 else mean[:, 0]

    def _columns(self, name: str, value: ArrayLike) -> Matrix:
        vectors, d = check_real(name, value), self.decay.shape[1]
        if vectors.shape[:1] != (d,) or vectors.ndim > 2:
            raise ValueError(f"{name} must have shape ({d},) or ({d}, k), got {vectors.shape}")
        return vectors.reshape(d, -1)

    @cached_property
    def root(self) -> Matrix:
        """A square root F of the covariance, F Fᵀ = Q, for singular and badly scaled Q alike."""
        scale = np.sqrt(np.diag(self.covariance))
        safe = np.where(scale > 0, scale, 1.0)
        # Of the correlations: a node with noise 1e-20 keeps its digits beside one with noise 1.
        correlations = self.covariance / safe[:, None] / safe
        if len(correlations) > FEW:
            with contextlib.suppress(np.linalg.LinAlgError):
                factor = np.linalg.cholesky(correlations)
                if np.diag(factor).min() > CERTAIN:
                    return np.asarray(scale[:, None] * factor)
        weights, vectors = np.linalg.eigh(correlations)
        return np.asarray(scale[:, None] * vectors * np.sqrt(np.clip(weights, 0.0, None)))

    def sample(self, x0: ArrayLike, c: ArrayLike | None = None, *, rng: Rng = None, size: Size = None) -> Matrix:
        """Draw from the law.

        Parameters
        ----------
        x0 : array_like, shape (d,) or (d, k)
            Start; columns are replicas.
        c : array_like, shape (d,) or (d, k), optional
            Load; none if omitted.
        rng : Generator, SeedSequence or int, optional
            Source of randomness; None is fresh entropy.
        size : int or tuple of int, optional
            Number of independent draws; one, without the leading axis, if omitted.

        Returns
        -------
        ndarray, shape (*size, e) or (*size, e, k)
            The draws.
        """
        mean = self.mean(x0, c)
        shape = () if size is None else tuple(np.atleast_1d(size))
        columns = mean.reshape(len(mean), -1)
        normal = np.random.default_rng(rng).standard_normal((*shape, *columns.shape))
        return mean + (self.root @ normal).reshape(*shape, *mean.shape)


def transition(M: ArrayLike, D: ArrayLike, t: float) -> Transition:
    """Exact law of dx = −(M x − c) dt + B dW, D = B Bᵀ, a time t after a known state.

    The short step t/2ˢ with ‖M‖t/2ˢ ≤ 1/2 is summed as a series, then doubled s times: Q ← Q + P Q Pᵀ, R ← R + P R,
    P ← P P. Defective, non-normal and singular M and singular D (noise on the momenta only) are not special cases.

    Parameters
    ----------
    M : array_like, shape (d, d)
        Drift; any real matrix.
    D : array_like, shape (d, d)
        Covariance of the noise per unit time; symmetric positive semidefinite (2T·I for a device at temperature T).
    t : float
        Time ≥ 0, in units of the device's time constant τ.

    Returns
    -------
    Transition
        decay e^{−Mt}, covariance ∫₀ᵗ e^{−Ms} D e^{−Mᵀs} ds and response ∫₀ᵗ e^{−Ms} ds, in double precision.

    Raises
    ------
    ValueError
        If a shape does not fit, an entry is not finite, D is not positive semidefinite or t < 0.
    TypeError
        If M or D is complex.
    OverflowError
        If an unstable M and a long t leave the range of double precision.

    See Also
    --------
    LinearProcess, integrate : Linear processes in time, exactly and in steps.

    Notes
    -----
    The error is that of a relative perturbation of M by rounding: about 1e-16·‖M‖·min(t, relaxation time).

    References
    ----------
    C. F. Van Loan, Computing integrals involving the matrix exponential, IEEE Trans. Automat. Control 23 (1978) 395.

    Examples
    --------
    >>> import numpy as np
    >>> transition([[1.0, 5.0], [0.0, 2.0]], 2 * np.eye(2), 1.0).covariance.round(3)
    array([[ 3.079, -0.713],
           [-0.713,  0.491]])
    """
    M, D = check_drift(M), check_noise(D)
    if M.shape != D.shape:
        raise ValueError(f"M and D must have one shape, got {M.shape} and {D.shape}")
    check_time("t", t)
    _, exponent = math.frexp(2 * norm_bound(M))
    _, exponent_t = math.frexp(t)
    doublings = max(0, exponent + exponent_t)
    law = _short_step(M, D, math.ldexp(t, -doublings))
    for _ in range(doublings):
        law = law.then(law)
    return law


def _short_step(M: Matrix, D: Matrix, h: float) -> Transition:
    """The law of a step with ‖M‖h ≤ 1/2: the series of e^{−Ms}, integrated term by term."""
    with np.errstate(over="ignore", invalid="ignore"):
        response = power = h * np.eye(len(M))
        for k in range(2, _TAYLOR_TERMS + 2):
            power = (-h / k) * (M @ power)
            response = response + power
        law = Transition(np.eye(len(M)) - M @ response, short_covariance(M, D, h), response)
    return _finite(law)


def short_covariance(M: Matrix, D: Matrix, h: float) -> Matrix:
    """Covariance after a step with ‖M‖h ≤ 1/2: the series of e^{−Ms} D e^{−Mᵀs}, integrated term by term."""
    covariance = term = h * D
    for k in range(2, _TAYLOR_TERMS + 2):
        half = (-h / k) * (M @ term)
        term = half + half.T
        covariance = covariance + term
    return covariance


def _finite(law: Transition) -> Transition:
    if not all(np.isfinite(part).all() for part in (law.decay, law.covariance, law.response)):
        raise OverflowError(
            "the law of the state leaves the range of double precision: M is unstable for so long a time, "
            "or its entries are too large; shorten the time or rescale M and D"
        )
    return law


def norm_bound(M: Matrix) -> float:
    """An upper bound on ‖M‖₂ and ‖Mᵀ‖₂, tight enough to choose the short step."""
    return math.sqrt(np.linalg.norm(M, 1)) * math.sqrt(np.linalg.norm(M, np.inf))


def check_real(name: str, value: ArrayLike) -> Matrix:
    array = np.asarray(value)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} is complex; pass the real embedding [[Re, −Im], [Im, Re]] of twice the size")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or inf")
    return array.astype(np.float64)


def check_drift(M: ArrayLike) -> Matrix:
    drift = check_real("M", M)
    if drift.ndim != 2 or drift.shape[0] != drift.shape[1] or not drift.size:
        raise ValueError(f"M must be a square matrix, got shape {drift.shape}")
    return drift


def check_noise(D: ArrayLike) -> Matrix:
    noise = check_real("D", D)
    if noise.ndim != 2 or noise.shape[0] != noise.shape[1] or not noise.size:
        raise ValueError(f"D must be a square matrix, got shape {noise.shape}")
    rounding = 1e-12 * np.abs(noise).max()
    if np.abs(noise - noise.T).max() > rounding:
        raise ValueError("D must be symmetric; pass B @ B.T, or (D + D.T) / 2 if that is what you mean")
    noise = (noise + noise.T) / 2
    smallest = np.linalg.eigvalsh(noise)[0]
    if smallest < -len(noise) * rounding:
        raise ValueError(f"D must be positive semidefinite, its smallest eigenvalue is {smallest:.3g}; pass B @ B.T")
    return noise


def check_time(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite time ≥ 0, got {value}")
