"""Filtering and smoothing: the device's simulation beside statsmodels and the recursion of the books."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.markdown import duration
from benchmarks.markdown import table as markdown
from thermoapps.state_space import smooth

SERIES = {
    "level, n = 1,000": (1, 1, 1_000),
    "level, n = 100,000": (1, 1, 100_000),
    "trend, n = 1,000": (2, 1, 1_000),
    "trend, n = 10,000": (2, 1, 10_000),
    "d = 4, m = 20, n = 1,000": (4, 20, 1_000),
    "d = 8, m = 2, n = 1,000": (8, 2, 1_000),
}
DRAWS = 10
SEED = 0


def model_of(d: int, m: int, n: int) -> dict[str, Any]:
    """A level, a trend, or a random stable model; one observation in ten is missing."""
    rng = np.random.default_rng(SEED)
    if d <= 2:
        F, H = np.array([[1.0, 1.0], [0.0, 1.0]])[:d, :d], np.eye(m, d)
        Q, R = np.diag([1.0, 0.01])[:d, :d], 10 * np.eye(m)
        y = rng.standard_normal((n, m)).cumsum(axis=0)
    else:
        F = rng.standard_normal((d, d))
        F *= 0.95 / np.abs(np.linalg.eigvals(F)).max()
        H, Q, R = rng.standard_normal((m, d)), np.eye(d), np.eye(m)
        y = 3 * rng.standard_normal((n, m))
    y[rng.random(n) < 0.1] = np.nan
    return {"F": F, "Q": Q, "H": H, "R": R, "y": y, "initial_mean": np.zeros(d), "initial_covariance": 100 * np.eye(d)}


def recursion(F: Any, Q: Any, H: Any, R: Any, y: Any, initial_mean: Any, initial_covariance: Any) -> tuple[Any, Any]:
    """Kalman's filter and the smoother of Rauch, Tung and Striebel, a Python loop of NumPy calls."""
    n, d = len(y), len(F)
    means, covariances = np.empty((n, d)), np.empty((n, d, d))
    before, spreads = np.empty((n, d)), np.empty((n, d, d))
    m, P = initial_mean, initial_covariance
    for t in range(n):
        before[t], spreads[t] = m, P
        if not np.isnan(y[t]).any():
            gain = np.linalg.solve(H @ P @ H.T + R, H @ P).T
            m, P = m + gain @ (y[t] - H @ m), P - gain @ H @ P
        means[t], covariances[t] = m, P
        m, P = F @ m, F @ P @ F.T + Q
    for t in range(n - 2, -1, -1):
        gain = np.linalg.solve(spreads[t + 1], F @ covariances[t]).T
        means[t] += gain @ (means[t + 1] - before[t + 1])
        covariances[t] += gain @ (covariances[t + 1] - spreads[t + 1]) @ gain.T
    return means, covariances


def of_statsmodels(model: dict[str, Any]) -> Any:
    """Their smoother, compiled, with the same effort: no steady state is assumed."""
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    d = len(model["F"])
    smoother = KalmanSmoother(k_endog=model["y"].shape[1], k_states=d, k_posdef=d)
    smoother.bind(model["y"].copy())
    smoother.tolerance = 0
    for theirs, ours in {"transition": "F", "state_cov": "Q", "design": "H", "obs_cov": "R"}.items():
        smoother[theirs] = model[ours]
    smoother["selection"] = np.eye(d)
    smoother.initialize_known(model["initial_mean"], model["initial_covariance"])
    return smoother


def seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and its processor time; the better of two."""
    times = []
    for _ in range(2):
        start = time.process_time()
        value = call()
        times.append(time.process_time() - start)
    return value, min(times)


def measured(model: dict[str, Any]) -> dict[str, float]:
    """One series by everyone."""
    from statsmodels.tsa.statespace.simulation_smoother import SimulationSmoother

    found, means = seconds(lambda: smooth(**model, rng=SEED))

    def with_covariances() -> Any:
        again = smooth(**model, rng=SEED)
        return again, again.covariances

    (_, P), both = seconds(with_covariances)
    _, draws = seconds(lambda: found.sample(DRAWS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, compiled = seconds(lambda: of_statsmodels(model).smooth())
        simulation = SimulationSmoother(k_endog=model["y"].shape[1], k_states=len(model["F"]), k_posdef=len(model["F"]))
        simulation.bind(model["y"].copy())
        for name, ours in {"transition": "F", "state_cov": "Q", "design": "H", "obs_cov": "R"}.items():
            simulation[name] = model[ours]
        simulation["selection"] = np.eye(len(model["F"]))
        simulation.initialize_known(model["initial_mean"], model["initial_covariance"])
        simulator = simulation.simulation_smoother()
        _, their_draws = seconds(lambda: [simulator.simulate(random_state=k) for k in range(DRAWS)])
    (plain, plain_P), loop = seconds(lambda: recursion(**model))
    right, right_P = theirs.smoothed_state.T, theirs.smoothed_state_cov.transpose(2, 0, 1)
    return {
        "means": means,
        "means and covariances": both,
        "statsmodels": compiled,
        "recursion": loop,
        "trajectories": draws,
        "trajectories, statsmodels": their_draws,
        "difference of means": float(np.abs(found.means - right).max() / np.abs(right).max()),
        "difference of covariances": float(np.abs(P - right_P).max() / np.abs(right_P).max()),
        "difference of means, recursion": float(np.abs(plain - right).max() / np.abs(right).max()),
        "difference of covariances, recursion": float(np.abs(plain_P - right_P).max() / np.abs(right_P).max()),
        "last correction": found.error,
        "device time": found.device_time,
    }


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """Every series; `data` is not needed."""
    return {name: measured(model_of(*sizes)) for name, sizes in SERIES.items()}


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    times = [
        [
            name,
            duration(one["means"]),
            duration(one["means and covariances"]),
            duration(one["statsmodels"]),
            duration(one["recursion"]),
            f"{one['means and covariances'] / one['statsmodels']:.2g}",
        ]
        for name, one in results.items()
    ]
    exact = [
        [
            name,
            f"{one['difference of means']:.1e}",
            f"{one['difference of covariances']:.1e}",
            f"{one['difference of means, recursion']:.1e}",
            f"{one['last correction']:.1e}",
            duration(one["trajectories"]),
            duration(one["trajectories, statsmodels"]),
            f"{one['device time']:,.0f} τ",
        ]
        for name, one in results.items()
    ]
    heads = ["series", "means", "with covariances", "statsmodels", "recursion in NumPy", "ratio to statsmodels"]
    more = ["series", "means", "covariances", "recursion's means", "last correction", f"{DRAWS} trajectories"]
    return "\n\n".join(
        [
            "All means, covariances and neighbours' covariances of a series with a tenth of its times missing. "
            "statsmodels' smoother is compiled and always finds everything; the simulated device finds the means, and "
            "the elimination covariances and the likelihood.",
            markdown(heads, times),
            "Differences from statsmodels, relative to the largest entry; the last correction that the device gave; "
            "trajectories of the posterior by both.",
            markdown([*more, "by statsmodels", "device time"], exact),
        ]
    )
