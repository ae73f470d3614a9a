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
LONG = 200.0  # many relaxation times of every mode


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
    """Estimate e^G, G = [[−1, 4], [0, −1.2]], from equally many readings each, averaged over runs.

    A device reads e^{G − αI}; ours chooses the shift α itself, thermox is given ones that keep its noise matrix
    positive definite. The error bar is that of the average over the runs, relative to the truth.
    """
    _, info = _ours(seed=0, return_info=True)
    ours = [_ours(seed) for seed in range(RUNS)]
    cases = [_exponential("thermolinalg", float(info.shift), ours)]
    for alpha in SHIFTS:
        cases.append(_exponential("thermox", alpha, [_theirs(alpha, seed) for seed in range(RUNS)]))
    return cases


def _ours(seed: int, **options: Any) -> Any:
    schedule = tla.Schedule(burn_in=LONG, readings=READINGS, spacing=LONG)
    return tla.expm(GENERATOR, schedule=schedule, rng=seed, **options)


def _theirs(alpha: float, seed: int) -> Array:
    key = jax.random.PRNGKey(seed)
    burn_in = round(LONG)
    return np.asarray(thermox.linalg.expm(jnp.asarray(GENERATOR), READINGS, key=key, alpha=alpha, burnin=burn_in))


def _exponential(who: str, alpha: float, estimates: list[Array]) -> dict[str, Any]:
    truth, mean = sla.expm(GENERATOR), np.mean(estimates, axis=0)
    size, variance = np.linalg.norm(truth), np.var(estimates, axis=0, ddof=1) / len(estimates)
    return {
        "who": who,
        "alpha": alpha,
        "readings": READINGS,
        "runs": RUNS,
        "truth": truth.tolist(),
        "estimate": mean.tolist(),
        "error": float(np.linalg.norm(mean - truth) / size),
        "bar": float(np.sqrt(variance.sum()) / size),
    }


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
