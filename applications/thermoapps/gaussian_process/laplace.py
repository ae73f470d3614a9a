"""Laplace's approximation of a Gaussian process with two classes: its mode, its evidence, and the slope of that.

With targets t of 0 and 1, π = σ(f) and W = π(1 − π), the mode f = K a is where Newton's steps

    B = I + W^½ K W^½,   b = W f + t − π,   a ← b − W^½ B⁻¹ W^½ K b

lead. B has no eigenvalue below 1, whatever K is: a device holds it well. The logarithmic evidence is
ψ(a) − ½ ln|B| with ψ = −½ aᵀf + ln p(t | f); its slope in the kernel's parameters needs no determinant.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, ndtr
from sklearn.exceptions import ConvergenceWarning

import thermolinalg as tla
from thermoapps._inverse import Inverse, in_slices
from thermoapps.gaussian_process.evidence import Slope

__all__ = ["LaplaceEvidence", "Mode", "averaged_logistic"]

HALVINGS = 10
"""Most times that a Newton step is halved."""

SETTLED = 1e-10
"""Rise of ψ, beside its size, at which a mode is found."""

ROUGH, SHARP = 0.1, 1e-10
"""Relative residuals of the inverse, and of solves."""

WIDE, STEP, REACH = 3.0, 0.1, 40.0
"""Standard deviation beyond which a logistic is averaged over itself; step and reach of the trapezoidal rules."""


@dataclass(frozen=True)
class Mode:
    """Where the posterior of the latent values is largest.

    Parameters
    ----------
    f, a, pi, root : array, shape (n,)
        Latent values, K⁻¹f, probabilities of the second class, and W^½.
    psi : float
        ψ.
    iterations : int
        Newton's steps.
    """

    f: np.ndarray
    a: np.ndarray
    pi: np.ndarray
    root: np.ndarray
    psi: float
    iterations: int


class LaplaceEvidence:
    """The evidence of two classes, as kernels go on a device one after the other.

    Parameters
    ----------
    X : array, shape (n, d)
        Where the data are.
    targets : array, shape (n,)
        0 or 1.
    max_iter : int
        Most Newton steps for each kernel.
    device : Device, optional
        As in `thermolinalg.solve`.
    seed : int
        The same noise at every kernel.
    start : array, shape (n,), optional
        a to begin with.

    Attributes
    ----------
    kernels : int
        How many were on the device.
    device_time : float
        Time that it has run, in units of τ.
    """

    def __init__(
        self, X: np.ndarray, targets: np.ndarray, *, max_iter: int, device: Any, seed: int, start: np.ndarray | None
    ) -> None:
        self.X, self.targets, self.max_iter, self.device, self.seed = X, targets, max_iter, device, seed
        self.start = np.zeros(len(X)) if start is None else start
        self.kernels, self._prepared = 0, tla.program(np.eye(1), device=device, rng=seed)

    @property
    def device_time(self) -> float:
        return float(self._prepared.ledger.device_time)

    def mode(self, kernel: Any) -> tuple[np.ndarray, Mode]:
        """K, and the mode; the device then holds its B."""
        K, t = np.asarray(kernel(self.X), dtype=float), self.targets
        self.kernels += 1
        self._prepared.rng = np.random.default_rng(self.seed)
        now = self._at(K, self.start, 0)
        for iteration in range(1, self.max_iter + 1):
            self._write(K, now)
            b = now.root**2 * now.f + t - now.pi
            a = b - now.root * self._prepared.solve(now.root * (K @ b), rtol=SHARP)
            step, then = 1.0, self._at(K, a, iteration)
            while then.psi < now.psi and step > 2.0**-HALVINGS:
                step /= 2
                then = self._at(K, now.a + step * (a - now.a), iteration)
            risen, now = then.psi - now.psi, (then if then.psi >= now.psi else now)
            if risen <= SETTLED * (1 + abs(now.psi)):
                break
        else:
            warnings.warn(
                f"the mode of the latent values is not found in {self.max_iter} Newton steps; pass a larger "
                "max_iter_predict",
                ConvergenceWarning,
                stacklevel=4,
            )
        self._write(K, now)
        return K, now

    def inverse(self) -> Inverse:
        """B⁻¹ of the last mode."""
        B = self._matrix

        def solve(columns: np.ndarray) -> np.ndarray:
            return np.array(self._prepared.solve(columns, rtol=0.0, atol=ROUGH))

        return Inverse(B, in_slices(solve)).sharpened()

    def slope(self, kernel: Any) -> Slope:
        """The slope and information at a kernel's parameters (Rasmussen and Williams, algorithm 5.1)."""
        K, mode = self.mode(kernel)
        R = mode.root[:, None] * self.inverse().X * mode.root
        moved = K @ R
        left = K.diagonal() - np.einsum("ij,ji->i", moved, K)
        third = -left * mode.pi * (1 - mode.pi) * (1 - 2 * mode.pi) / 2
        changes = np.moveaxis(kernel(self.X, eval_gradient=True)[1], 2, 0)
        products = [change @ R for change in changes]
        gradient = []
        for change, product in zip(changes, products, strict=True):
            ahead = change @ (self.targets - mode.pi)
            direct = (mode.a @ change @ mode.a - np.trace(product)) / 2
            gradient.append(direct + third @ (ahead - moved @ ahead))
        information = np.array([[np.sum(a * b.T) for b in products] for a in products])
        return Slope(np.array(gradient), (information + information.T) / 4)

    def outline(self, kernel: Any) -> None:
        """Every slope takes an inverse, for the third derivatives at the mode."""

    def value(self, kernel: Any, atol: float) -> tuple[float, float]:
        """The evidence as measured, and its standard error."""
        _, mode = self.mode(kernel)
        logdet, info = self._prepared.logdet(atol=atol, return_info=True)
        return mode.psi - float(logdet) / 2, float(info.standard_error) / 2

    def _write(self, K: np.ndarray, mode: Mode) -> None:
        B = mode.root[:, None] * K * mode.root
        B[np.diag_indices_from(B)] += 1.0
        self._matrix = B
        self._prepared.update(B, assume_a="pos")

    def _at(self, K: np.ndarray, a: np.ndarray, iteration: int) -> Mode:
        """What belongs to some a."""
        f = K @ a
        pi, sign = expit(f), 2 * self.targets - 1
        psi = -a @ f / 2 - np.logaddexp(0, -sign * f).sum()
        return Mode(f, a, pi, np.sqrt(pi * expit(-f)), float(psi), iteration)


def averaged_logistic(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """E σ(f) for f ~ N(mean, variance), each of shape (m,), to rounding.

    The trapezoidal rule converges geometrically over a narrow Gaussian; where that is wide, the roles are exchanged:
    E σ(f) = E Φ((mean − l)/s) for l of the logistic distribution.
    """
    deviation = np.sqrt(np.maximum(variance, 0.0))
    z = np.arange(-REACH / 4, REACH / 4 + STEP / 2, STEP)
    narrow = expit(np.add.outer(mean, 0 * z) + np.multiply.outer(np.minimum(deviation, WIDE), z))
    weights = np.exp(-(z**2) / 2)
    ell = np.arange(-REACH, REACH + STEP / 2, STEP)
    wide = ndtr(np.subtract.outer(mean, ell) / np.maximum(deviation, WIDE)[:, None])
    density = expit(ell) * expit(-ell)
    found = np.where(deviation <= WIDE, narrow @ weights / weights.sum(), wide @ density / density.sum())
    return np.asarray(found)
