"""Where a symmetric shortcut is wrong: covariances and exponentials of non-normal matrices, ours and thermox's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
import thermox

import thermolinalg as tla
from benchmarks.problems import Array
from thermolinalg.simulation import LinearProcess

DRIFT = np.array([[1.0, 5.0], [0.0, 2.0]])
NOISE = 2 * np.eye(2)
GENERATOR = np.array([[-1.0, 4.0], [0.0, -1.2]])
SHIFTS = (3.0, 4.0)
READINGS = 100_000
RUNS = 20


def covariances(times: tuple[float, ...] = (0.1, 1.0, 20.0)) -> list[dict[str, Any]]:
    """Covariance of dx = −M x dt + sqrt(2) dW at time t from a known start, M = [[1, 5], [0, 2]].

    The reference is Σ − e^{−Mt} Σ e^{−Mᵀt} with Σ from SciPy's Lyapunov solver.
    """
    process, stationary = LinearProcess(DRIFT, NOISE), sla.solve_continuous_lyapunov(DRIFT, NOISE)
    cases = []
    for t in times:
        decay = sla.expm(-DRIFT * t)
        truth = stationary - decay @ stationary @ decay.T
        theirs = np.asarray(thermox.conditional.covariance(t, jnp.asarray(DRIFT), jnp.asarray(NOISE)))
        cases.append({"t": t, **_beside(truth, process.transition(t).covariance, theirs)})
    return cases


def exponentials() -> list[dict[str, Any]]:
    """Estimate e^G, G = [[−1, 4], [0, −1.2]], with the same shift α and readings on both sides, averaged over runs.

    The error bar is that of the average over the runs, relative to the truth.
    """
    truth = sla.expm(GENERATOR)
    cases = []
    for alpha in SHIFTS:
        ours = [_ours(alpha, seed) for seed in range(RUNS)]
        theirs = [_theirs(alpha, seed) for seed in range(RUNS)]
        bars = {"thermolinalg_bar": _bar(truth, ours), "thermox_bar": _bar(truth, theirs)}
        beside = _beside(truth, np.mean(ours, axis=0), np.mean(theirs, axis=0))
        cases.append({"alpha": alpha, "readings": READINGS, "runs": RUNS, **beside, **bars})
    return cases


def _ours(alpha: float, seed: int) -> Array:
    schedule = tla.Schedule(burn_in=10.0, readings=READINGS, spacing=1.0)
    return tla.expm(GENERATOR, alpha=alpha, schedule=schedule, rng=seed)


def _theirs(alpha: float, seed: int) -> Array:
    key = jax.random.PRNGKey(seed)
    return np.asarray(thermox.linalg.expm(jnp.asarray(GENERATOR), READINGS - 1, key=key, alpha=alpha, burnin=10))


def _bar(truth: Array, estimates: list[Array]) -> float:
    """Standard error of the mean of the estimates, relative to the truth, all entries together."""
    return float(np.sqrt(np.sum(np.var(estimates, axis=0, ddof=1)) / len(estimates)) / np.linalg.norm(truth))


def _beside(truth: Array, ours: Array, theirs: Array) -> dict[str, Any]:
    def error(estimate: Array) -> float:
        return float(np.linalg.norm(estimate - truth) / np.linalg.norm(truth))

    return {
        "truth": truth.tolist(),
        "thermolinalg": ours.tolist(),
        "thermox": theirs.tolist(),
        "thermolinalg_error": error(ours),
        "thermox_error": error(theirs),
    }
