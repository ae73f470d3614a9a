"""Is it the same law? Estimates against the closed form of the exact window, in standard errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.problems import Array, Window


def solution_agreement(window: Window, estimates: Sequence[Array]) -> dict[str, float]:
    """Compare averages of readings with their normal law.

    In the eigenbasis of A the average has independent entries of known mean m_k and variance v_k, so that
    y_k = (average_k − m_k)/sqrt(v_k) are standard normal. With y over all modes and repeats:

    - z: Σ y² minus its degrees of freedom, in units of its standard deviation;
    - error_over_law: the root mean square of y.

    Returns
    -------
    dict
        z and error_over_law; (0 ± 1) and 1 where the law is the exact one.
    """
    lam, Q = np.linalg.eigh(window.A)
    load = Q.T @ window.b
    mean = load / lam * (1 - np.exp(-lam * window.burn_in) * _geometric(window, lam) / window.readings)
    deviation = np.sqrt(window.temperature / lam * _average_variance(window, lam))
    y = (np.stack(estimates) @ Q - mean) / deviation
    return _summary(float(np.sum(y**2)), y.size, np.sqrt(2 * y.size))


def inverse_agreement(window: Window, estimates: Sequence[Array]) -> dict[str, float]:
    """Compare sample covariances, divided by T, with the moments of their law.

    C = Λ^{1/2} Qᵀ Â⁻¹ Q Λ^{1/2} has mean E C_kk = (N/(N − 1))(1 − var of the average) and, to leading order in 1/N,
    Var C_kl = (1 + δ_kl)(1 + a_k a_l)/(N (1 − a_k a_l)) with a = e^{−λ·spacing}.

    - z: tr C against its mean, in its standard deviation;
    - error_over_law: ‖C − I‖_F against the root of its expected square.
    """
    lam, Q = np.linalg.eigh(window.A)
    N, root = window.readings, np.sqrt(lam)
    memory = np.exp(-lam * window.spacing)
    pairs = np.outer(memory, memory)
    variance = (1 + pairs) / (N * (1 - pairs)) * (1 + np.eye(len(lam)))
    mean = N / (N - 1) * (1 - _average_variance(window, lam))
    C = np.stack([root[:, None] * (Q.T @ estimate @ Q) * root for estimate in estimates])
    trace = np.trace(C, axis1=1, axis2=2)
    z = np.sum(trace - mean.sum()) / np.sqrt(len(C) * np.trace(variance))
    error = np.mean(np.sum((C - np.eye(len(lam))) ** 2, axis=(1, 2)))
    return {"z": float(z), "error_over_law": float(np.sqrt(error / (variance.sum() + np.sum((mean - 1) ** 2))))}


def _geometric(window: Window, lam: Array) -> Array:
    """G = (1 − a^N)/(1 − a), the sum of the memories of the N readings."""
    return np.expm1(-lam * window.spacing * window.readings) / np.expm1(-lam * window.spacing)


def _average_variance(window: Window, lam: Array) -> Array:
    """Variance of the average over the variance T/λ of one reading in equilibrium, from a known start."""
    N, a = window.readings, np.exp(-lam * window.spacing)
    g = _geometric(window, lam)
    equilibrium = (1 + a - 2 * a * g / N) / (N * (1 - a))
    return equilibrium - (np.exp(-lam * window.burn_in) * g / N) ** 2


def _summary(chi_square: float, degrees: int, deviation: float) -> dict[str, float]:
    return {"z": float((chi_square - degrees) / deviation), "error_over_law": float(np.sqrt(chi_square / degrees))}
