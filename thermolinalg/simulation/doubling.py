"""The decay of a start by steps that double, and the covariance that any noise then makes."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg

from thermolinalg.simulation._transition import Matrix, norm_bound, short_covariance, transition

__all__ = ["FORGOTTEN", "Doubling"]

FORGOTTEN = 1e-8
"""Norm of e^{−Mt} at which a start counts as forgotten: its share of a covariance is the square, a rounding error."""

UNDISTURBED = 50.0
"""Backward errors of a covariance up to so many eps are rounding as it has to be; drifts far from normal make more."""

_MAX_DOUBLINGS = 100


class Doubling:
    """The decay e^{−Mt} of a stable drift at the times h, 2h, 4h, … until nothing is left.

    The covariance of dx = −M x dt + B dW is linear in D = B Bᵀ: with the powers of the decay at hand, each further
    noise costs a short step and two products per doubling, Q ← Q + P Q Pᵀ.

    Parameters
    ----------
    M : ndarray, shape (d, d)
        Drift; all its eigenvalues have positive real part.

    Attributes
    ----------
    time : float
        After which the start is forgotten, ‖e^{−Mt}‖ ≤ 1e-8; transient growth of a non-normal M is part of it.

    Raises
    ------
    LinAlgError
        If the start is not forgotten in any time that double precision can tell from for ever.

    Examples
    --------
    >>> import numpy as np
    >>> Doubling(np.array([[1.0, 5.0], [0.0, 2.0]])).covariance(2 * np.eye(2)).round(3)
    array([[ 5.167, -0.833],
           [-0.833,  0.5  ]])
    """

    def __init__(self, M: Matrix) -> None:
        self.M, self.basis = M, np.eye(len(M))
        self._forget()
        if self._backward_error() > UNDISTURBED * np.finfo(float).eps:
            # In Schur coordinates slow modes leave no rounding in fast ones, however far from normal M is; its own
            # coordinates keep the digits of nodes that are small beside others.
            self.M, self.basis = scipy.linalg.schur(M)
            self._forget()

    def _forget(self) -> None:
        """The decay over steps that double."""
        # The longest step that `transition` sums as one series: ‖M‖h ≤ 1/4.
        _, exponent = math.frexp(2 * norm_bound(self.M))
        self.step = math.ldexp(1.0, -exponent - 1)
        decay = transition(self.M, np.zeros_like(self.M), self.step).decay
        self.powers: list[Matrix] = []
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            while not np.linalg.norm(decay) <= FORGOTTEN:
                if len(self.powers) == _MAX_DOUBLINGS or not np.isfinite(decay).all():
                    raise np.linalg.LinAlgError(
                        f"the start is not forgotten after {2.0 ** len(self.powers) * self.step:.3g} time units: "
                        "the drift is too close to unstable for double precision"
                    )
                self.powers.append(decay)
                decay = decay @ decay
        self.time = math.ldexp(self.step, len(self.powers))

    def _backward_error(self) -> float:
        """‖I − M X − X Mᵀ‖/(2‖M‖‖X‖ + ‖I‖) of the covariance under white noise."""
        unit = np.eye(len(self.M))
        X = self.covariance(unit)
        half = self.M @ X
        size = 2 * np.linalg.norm(self.M) * np.linalg.norm(X) + np.linalg.norm(unit)
        return float(np.linalg.norm(unit - half - half.T) / size)

    def covariance(self, D: Matrix) -> Matrix:
        """Stationary covariance (d, d), as `Relaxation.covariance`."""
        covariance = short_covariance(self.M, self.basis.T @ D @ self.basis, self.step)
        for decay in self.powers:
            carried = decay @ covariance @ decay.T
            covariance = covariance + (carried + carried.T) / 2
        settled: Matrix = self.basis @ covariance @ self.basis.T
        return np.asarray((settled + settled.T) / 2)
