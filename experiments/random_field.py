"""Random fields on a device: zinc in the soil of the Meuse, and grids of up to a million nodes.

    python experiments/random_field.py --data FOLDER

FOLDER holds spatial/meuse.csv; without it the zinc is left as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import options, pyplot, read, save, write
from scipy.spatial.distance import cdist
from scipy.special import kv

from thermoapps.random_field import GaussianField, Grid, Posterior, fit_matern

SPACING, MARGIN = 150.0, 1500.0
SIDES, RANGE, NOISE = (100, 316, 1000), 50.0, 0.1


def cpu_seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the processor time that it took."""
    start = time.process_time()
    value = call()
    return value, time.process_time() - start


# -- zinc in the soil -------------------------------------------------------------------------------------------------


def meuse(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Places in metres, and log zinc in mg/kg."""
    table = np.genfromtxt(file, delimiter=",", names=True)
    return np.column_stack([table["x"], table["y"]]), np.log(table["zinc"])


def kriged(X: np.ndarray, y: np.ndarray, places: np.ndarray, fit: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the exact Gaussian process with a Matérn covariance (ν = 1) and unknown mean."""

    def covariance(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        x = np.sqrt(8) * np.maximum(cdist(A, B) / fit.range, 1e-9)
        return fit.standard_deviation**2 * x * kv(1, x)

    V = covariance(X, X) + fit.noise**2 * np.eye(len(X))
    cross, ones = covariance(places, X), np.ones(len(X))
    gain = np.linalg.solve(V, cross.T).T
    weights = np.linalg.solve(V, ones)
    mean, left = weights @ y / weights.sum(), 1 - gain @ ones
    variance = fit.standard_deviation**2 - np.einsum("ij,ij->i", gain, cross) + left**2 / weights.sum()
    return mean + gain @ (y - mean), np.sqrt(variance)


def fitted(X: np.ndarray, y: np.ndarray) -> Any:
    return fit_matern(Grid.around(X, SPACING, margin=MARGIN), y, X, trend=True, rng=0)


def held_out(X: np.ndarray, y: np.ndarray, fit: Any) -> dict[str, float]:
    """Every third place is predicted from the others, with the parameters that all of them gave."""
    test = np.arange(len(y)) % 3 == 0
    grid = fit.posterior.field.grid
    field = GaussianField.from_matern(grid, range=fit.range, standard_deviation=fit.standard_deviation).with_trend()
    mean, deviation = field.condition(y[~test], fit.noise, at=X[~test], rng=0).predict(X[test], return_std=True)
    exact_mean, exact = kriged(X[~test], y[~test], X[test], fit)
    z = (y[test] - mean) / np.hypot(deviation, fit.noise)
    return {
        "places": int(test.sum()),
        "root mean square error": float(np.sqrt(np.mean((y[test] - mean) ** 2))),
        "of the exact process": float(np.sqrt(np.mean((y[test] - exact_mean) ** 2))),
        "of the mean of the others": float(np.sqrt(np.mean((y[test] - y[~test].mean()) ** 2))),
        "mean square of errors in their standard deviations": float(np.mean(z**2)),
        "within 1.96 of them": float(np.mean(np.abs(z) < 1.96)),
        "largest difference of means, in standard deviations": float(np.max(np.abs(mean - exact_mean) / exact)),
        "largest relative difference of standard deviations": float(np.max(np.abs(deviation / exact - 1))),
    }


def zinc(file: Path) -> dict[str, Any]:
    """The field of largest evidence, beside the exact process with the same parameters."""
    X, y = meuse(file)
    fit, seconds = cpu_seconds(lambda: fitted(X, y))
    posterior = fit.posterior
    deviation, spread = cpu_seconds(posterior.standard_deviation)
    read_off, error = posterior.standard_deviation(method="readings", rtol=0.05, return_error=True)
    grid = posterior.field.grid
    near = cdist(grid.nodes, X).min(axis=1) < 300
    mean, exact = kriged(X, y, grid.nodes[near], fit)
    return {
        "data": len(y),
        "nodes": grid.size,
        "range, m": fit.range,
        "standard deviation": fit.standard_deviation,
        "noise": fit.noise,
        "standard errors of their logarithms": fit.log_errors,
        "log evidence": fit.log_evidence,
        "fit, seconds": seconds,
        "standard deviations, seconds": spread,
        "nodes within 300 m of data": int(near.sum()),
        "largest difference of means there, in standard deviations": float(
            np.max(np.abs(posterior.mean[near] - mean) / exact)
        ),
        "largest relative difference of standard deviations there": float(np.max(np.abs(deviation[near] / exact - 1))),
        "readings of standard deviations: mean square of errors in their bars": float(
            np.mean(((read_off - deviation) / error) ** 2)
        ),
        "held out": held_out(X, y, fit),
    }


def draw_zinc(file: Path, found: dict[str, Any], path: Path) -> None:
    """Mean, standard deviation and one draw of the posterior over the land around the data."""
    plt = pyplot()
    X, y = meuse(file)
    grid = Grid.around(X, SPACING / 3, margin=MARGIN)
    field = GaussianField.from_matern(
        grid, range=found["range, m"], standard_deviation=found["standard deviation"]
    ).with_trend()
    posterior: Posterior = field.condition(y, found["noise"], at=X, rng=0)
    maps = (posterior.mean, posterior.standard_deviation(), posterior.sample(rng=1))
    titles = ("ln zinc: mean", "its standard deviation", "one draw")
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    low, high = X.min(axis=0) - 200, X.max(axis=0) + 200
    inside = ((grid.nodes >= low) & (grid.nodes <= high)).all(axis=1)
    for ax, values, title, colors in zip(axes, maps, titles, ("viridis", "magma_r", "viridis"), strict=True):
        limits = maps[0 if colors == "viridis" else 1][inside]
        mesh = ax.pcolormesh(
            *(axis / 1000 for axis in grid.axes),
            values.reshape(grid.shape).T,
            cmap=colors,
            vmin=limits.min(),
            vmax=limits.max(),
            rasterized=True,
        )
        ax.scatter(*(X.T / 1000), s=4, c="white" if colors == "viridis" else "black", linewidths=0)
        ax.set(aspect="equal", xlabel="km", ylabel="km", xlim=(low[0] / 1000, high[0] / 1000))
        ax.set_ylim(low[1] / 1000, high[1] / 1000)
        ax.grid(visible=False)
        ax.set_title(title, loc="left", fontsize=10)
        figure.colorbar(mesh, ax=ax)
    save(figure, path)
    plt.close(figure)


# -- grids -------------------------------------------------------------------------------------------------------------


def grown(side: int) -> dict[str, float]:
    """A square of side² nodes with data at one place in a hundred: mean, one draw, standard deviations."""
    grid, rng = Grid((side, side)), np.random.default_rng(side)
    places = rng.random((grid.size // 100, 2)) * (side - 1)
    y = np.sin(places[:, 0] / RANGE) + NOISE * rng.standard_normal(len(places))
    field, made = cpu_seconds(lambda: GaussianField.from_matern(grid, range=RANGE, alpha=1))
    posterior = field.condition(y, NOISE, at=places, rng=0)
    _, mean = cpu_seconds(lambda: posterior.mean)
    _, draw = cpu_seconds(lambda: posterior.sample(rng=1))
    (deviation, error), spread = cpu_seconds(
        lambda: posterior.standard_deviation(method="readings", rtol=0.1, rng=2, return_error=True)
    )
    residual = float(posterior.info.residual_norm)
    return {
        "nodes": grid.size,
        "data": len(y),
        "field made, seconds": made,
        "mean, seconds": mean,
        "residual of the mean": residual,
        "one draw, seconds": draw,
        "standard deviations by readings, seconds": spread,
        "their largest relative standard error": float((error / deviation).max()),
        "engine": posterior.info.engine,
    }


def main() -> None:
    chosen = options(__doc__)
    path, file = chosen.results / "random-field.json", chosen.data / "spatial" / "meuse.csv"
    if chosen.draw or not file.is_file():
        results = read(path)
    if not chosen.draw:
        parts: dict[str, Any] = {"zinc": zinc(file)} if file.is_file() else {"zinc": results["zinc"]}
        results = parts | {"grids": []}
        if file.is_file():
            draw_zinc(file, results["zinc"], chosen.pictures / "random-field.png")
        for side in SIDES:  # what is done is kept
            write(results, path)
            results["grids"].append(grown(side))
        write(results, path)
    elif file.is_file():
        draw_zinc(file, results["zinc"], chosen.pictures / "random-field.png")


if __name__ == "__main__":
    main()
