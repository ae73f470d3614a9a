"""State-space models on a device: the Nile, carbon dioxide with missing weeks, and time that grows with the length.

    python experiments/state_space.py

The series are those that statsmodels brings.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import statsmodels.api as sm
from common import options, pyplot, read, save, write
from statsmodels.tsa.statespace.initialization import Initialization
from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

from thermoapps.state_space import filter, fit, smooth

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
WEEKS, HARMONICS, AHEAD = 365.25 / 7, 3, 104
FIRST_YEAR = 1871
LAST = 2284
"""Weeks of carbon dioxide, the last ones; all of them."""


def seconds(call: Any) -> tuple[Any, float]:
    """What a call returns, and the processor time that it took."""
    start = time.process_time()
    value = call()
    return value, time.process_time() - start


# -- the Nile ---------------------------------------------------------------------------------------------------------


def level(theta: np.ndarray) -> dict[str, Any]:
    """A random walk in noise, diffuse at first; logarithms of the two variances."""
    return {"F": 1.0, "Q": np.exp(theta[0]), "H": 1.0, "R": np.exp(theta[1]), "initial_covariance": np.inf}


def nile() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Variances by maximum likelihood, and the level."""
    y = sm.datasets.nile.load_pandas().data["volume"].to_numpy(dtype=float)
    found, fitting = seconds(lambda: fit(level, np.log([1000.0, 10000.0]), y, rng=0))
    smoothed, known = smooth(**found.system, y=y, rng=0), filter(**found.system, y=y, rng=0)
    model = sm.tsa.UnobservedComponents(y, "llevel", use_exact_diffuse=True)
    theirs = model.smooth(np.exp(found.theta)[::-1])
    numbers = {
        "variance of the level's steps": float(np.exp(found.theta[0])),
        "variance of the noise": float(np.exp(found.theta[1])),
        "standard errors of their logarithms": found.standard_errors.tolist(),
        "log-likelihood": found.log_likelihood,
        "log-likelihood minus statsmodels'": found.log_likelihood - float(theirs.llf),
        "largest difference of levels, relative": float(
            np.abs(smoothed.means[:, 0] - theirs.smoothed_state[0]).max() / np.abs(theirs.smoothed_state).max()
        ),
        "largest difference of variances, relative": float(
            np.abs(smoothed.covariances[:, 0, 0] / theirs.smoothed_state_cov[0, 0] - 1).max()
        ),
        "likelihoods looked at": len(found.history),
        "fit, seconds": fitting,
        "device time of one smoothing, time constants": smoothed.device_time,
    }
    drawn = {
        "y": y,
        "level": smoothed.means[:, 0],
        "deviation": np.sqrt(smoothed.covariances[:, 0, 0]),
        "filtered": known.means[:, 0],
        "draws": smoothed.sample(5)[:, :, 0],
    }
    return numbers, drawn


# -- carbon dioxide ---------------------------------------------------------------------------------------------------


def seasonal(theta: np.ndarray) -> dict[str, Any]:
    """A trend whose slope wanders, and harmonics of a year that do; logarithms of three variances."""
    slope, season, noise = np.exp(theta)
    d = 2 + 2 * HARMONICS
    F, Q, H = np.zeros((d, d)), np.zeros((d, d)), np.zeros((1, d))
    F[:2, :2], H[0, 0] = [[1.0, 1.0], [0.0, 1.0]], 1.0
    Q[1, 1] = slope
    for k in range(HARMONICS):
        places = slice(2 + 2 * k, 4 + 2 * k)
        turn = 2 * np.pi * (k + 1) / WEEKS
        F[places, places] = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        Q[places, places] = season * np.eye(2)
        H[0, 2 + 2 * k] = 1.0
    return {"F": F, "Q": Q, "H": H, "R": noise, "initial_covariance": np.inf}


def of_statsmodels(system: dict[str, Any], y: np.ndarray) -> Any:
    """The same model by their smoother, diffuse at first and without a steady state."""
    d = len(system["F"])
    smoother = KalmanSmoother(k_endog=1, k_states=d, k_posdef=d)
    smoother.bind(y[:, None].copy())
    smoother.tolerance = 0
    for theirs, ours in {"transition": "F", "state_cov": "Q", "design": "H", "obs_cov": "R"}.items():
        smoother[theirs] = np.atleast_2d(system[ours])
    smoother["selection"] = np.eye(d)
    smoother.initialization = Initialization(d, "diffuse")
    return smoother.smooth()


def carbon_dioxide() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Weeks at Mauna Loa, of which some are missing; a level without noise of its own is a singular Q."""
    table = sm.datasets.co2.load_pandas().data
    y, years = table["co2"].to_numpy(dtype=float)[-LAST:], table.index[-LAST:]
    found, fitting = seconds(lambda: fit(seasonal, np.log([1e-6, 1e-5, 0.1]), y, rng=0))
    smoothed, smoothing = seconds(lambda: smooth(**found.system, y=y, rng=0))
    covariances, eliminating = seconds(lambda: smoothed.covariances)
    theirs, smoothing_theirs = seconds(lambda: of_statsmodels(found.system, y))
    H = np.asarray(found.system["H"])[0]
    ahead = smoothed.forecast(AHEAD)
    trend, cycle = smoothed.means[:, 0], smoothed.means @ H - smoothed.means[:, 0]
    numbers = {
        "weeks": len(y),
        "missing": int(np.isnan(y).sum()),
        "states": len(H),
        "form": smoothed.form,
        "variances of slope, season, noise": np.exp(found.theta).tolist(),
        "standard errors of their logarithms": found.standard_errors.tolist(),
        "log-likelihood": found.log_likelihood,
        "log-likelihood minus statsmodels'": found.log_likelihood - float(theirs.llf),
        "largest difference of states, relative": float(
            np.abs(smoothed.means - theirs.smoothed_state.T).max() / np.abs(theirs.smoothed_state).max()
        ),
        "largest difference of covariances, relative": float(
            np.abs(covariances - theirs.smoothed_state_cov.transpose(2, 0, 1)).max()
            / np.abs(theirs.smoothed_state_cov).max()
        ),
        "rise in the last year, ppm": float(trend[-1] - trend[-53]),
        "likelihoods looked at": len(found.history),
        "last correction of the means, relative": smoothed.error,
        "fit, seconds": fitting,
        "means, seconds": smoothing,
        "covariances, seconds": eliminating,
        "smoothing by statsmodels, seconds": smoothing_theirs,
        "device time of one smoothing, time constants": smoothed.device_time,
    }
    drawn = {
        "years": np.asarray(years.year + (years.day_of_year - 1) / 365.25),
        "y": y,
        "trend": trend,
        "cycle": cycle,
        "deviation": np.sqrt(np.einsum("i,tij,j->t", H, covariances, H)),
        "ahead": ahead.observation_means[:, 0],
        "spread": np.sqrt(ahead.observation_covariances[:, 0, 0]),
    }
    return numbers, drawn


# -- lengths ----------------------------------------------------------------------------------------------------------


def lengths() -> dict[str, dict[str, float]]:
    """Processor seconds of a level (d = 1) and of a trend (d = 2), by the number of times."""
    found = {}
    for n in LENGTHS:
        y = np.random.default_rng(0).standard_normal(n).cumsum()
        for d in (1, 2):
            model = {
                "F": np.array([[1.0, 1.0], [0.0, 1.0]])[:d, :d],
                "Q": np.diag([1.0, 0.01])[:d, :d],
                "H": np.eye(1, d),
                "R": 10.0,
                "initial_covariance": np.inf,
            }
            smoothed, means = seconds(lambda model=model, y=y: smooth(**model, y=y, rng=0))
            _, covariances = seconds(lambda smoothed=smoothed: smoothed.covariances)
            _, draw = seconds(lambda smoothed=smoothed: smoothed.sample(1))
            found[f"d = {d}, n = {n}"] = {
                "means": means,
                "covariances": covariances,
                "one trajectory": draw,
                "last correction of the means, relative": smoothed.error,
            }
    return found


def draw(river: dict[str, Any], air: dict[str, Any], times: dict[str, Any], path: Any) -> None:
    """Level of the Nile, weeks at Mauna Loa, seconds by length."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.9), layout="constrained")
    years = FIRST_YEAR + np.arange(len(river["y"]))
    ax = axes[0]
    ax.plot(years, river["y"], ".", color="0.5", markersize=4, label="flow, 10⁸ m³")
    ax.plot(years, river["draws"].T, color="C0", alpha=0.25, linewidth=0.7)
    ax.plot(years, river["filtered"], color="C1", linewidth=1, label="filtered")
    ax.plot(years, river["level"], color="C0", label="smoothed, and five draws")
    band = 2 * river["deviation"]
    ax.fill_between(years, river["level"] - band, river["level"] + band, color="C0", alpha=0.12, linewidth=0)
    ax.set_title("the Nile at Aswan", loc="left", fontsize=10)
    ax.legend(fontsize=8)
    ax = axes[1]
    ax.plot(air["years"], air["y"], ".", color="0.6", markersize=1.5, label="weeks, ppm")
    ax.plot(air["years"], air["trend"], color="C0", label="trend")
    later = air["years"][-1] + (np.arange(AHEAD) + 1) / WEEKS
    ax.plot(later, air["ahead"], color="C3", linewidth=1, label="two years ahead")
    ax.fill_between(later, air["ahead"] - 2 * air["spread"], air["ahead"] + 2 * air["spread"], color="C3", alpha=0.2)
    ax.set_title("CO₂ at Mauna Loa", loc="left", fontsize=10)
    ax.legend(fontsize=8)
    ax = axes[2]
    for d, color in ((1, "C0"), (2, "C2")):
        for what, style in (("means", "o-"), ("covariances", "s--")):
            values = [times[f"d = {d}, n = {n}"][what] for n in LENGTHS]
            ax.loglog(LENGTHS, values, style, color=color, markersize=4, label=f"{what}, d = {d}")
    ax.loglog(LENGTHS[1:], [1e-5 * n for n in LENGTHS[1:]], ":", color="0.4", label="∝ n")
    ax.set(xlabel="times", ylabel="processor seconds")
    ax.set_title("length", loc="left", fontsize=10)
    ax.legend(fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "state-space.json"
    river, level_of_river = nile()
    air, weeks = carbon_dioxide()
    times = read(path)["processor seconds by length"] if given.draw else lengths()
    if not given.draw:
        write({"nile": river, "carbon dioxide": air, "processor seconds by length": times}, path)
    draw(level_of_river, weeks, times, given.pictures / "state-space.png")


if __name__ == "__main__":
    main()
