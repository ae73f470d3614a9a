"""Gaussian processes on a device: against scikit-learn by the number of data, zinc in the banks of the Meuse, a photo.

    python experiments/gaussian_process.py --data FOLDER

FOLDER holds spatial/meuse.csv; without it the zinc is left as it was.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from common import least_seconds, options, pyplot, read, save, timed, write
from sklearn.datasets import load_sample_image
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

from thermoapps.gaussian_process import ThermodynamicGPRegressor

NOISE, COARSE, DRAWS = 0.1, 4, 100
SIZES, MOST = (200, 500, 1000, 2000, 4000), 2000
KERNEL = ConstantKernel(1.0) * Matern(0.5, nu=1.5) + WhiteKernel(0.1)


# -- against scikit-learn ----------------------------------------------------------------------------------------------


def cpu_seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the processor time that it took."""
    start = time.process_time()
    value = call()
    return value, time.process_time() - start


def compared(n: int) -> dict[str, float]:
    """One data set of n points in the plane: fits (up to 2000), one slope, predictions, and the floor."""
    rng = np.random.default_rng(n)
    X, places = rng.uniform(0, 5, (2, n, 2))
    y = np.sin(X[:, 0]) * np.cos(X[:, 1]) + 0.1 * rng.standard_normal(n)
    kernel = ConstantKernel() * RBF([1.0, 1.0]) + WhiteKernel()
    optimizers = ("fmin_l_bfgs_b", "fisher_scoring") if n <= MOST else (None, None)
    theirs = GaussianProcessRegressor(kernel, optimizer=optimizers[0])
    mine = ThermodynamicGPRegressor(kernel, optimizer=optimizers[1], rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, digital = cpu_seconds(lambda: theirs.fit(X, y))
        _, simulated = cpu_seconds(lambda: mine.fit(X, y))
    found = theirs.log_marginal_likelihood(mine.kernel_.theta)
    cold = ThermodynamicGPRegressor(theirs.kernel_, optimizer=None, rng=0).fit(X, y)
    (_, std), predicted = cpu_seconds(lambda: theirs.predict(places, return_std=True))
    (_, same), first = cpu_seconds(lambda: cold.predict(places, return_std=True))
    _, again = cpu_seconds(lambda: cold.predict(places, return_std=True))
    M = theirs.kernel_(X)
    _, floor = cpu_seconds(lambda: scipy.linalg.cholesky(M))
    fits = {"fit": simulated, "fit, scikit-learn": digital, "fit, ratio": simulated / digital} if n <= MOST else {}
    return {
        **fits,
        "kernels looked at": mine.n_iter_,
        "evidence minus scikit-learn's": float(found - theirs.log_marginal_likelihood_value_),
        "predict with deviations, scikit-learn": predicted,
        "predict, first, ratio": first / predicted,
        "predict, again, ratio": again / predicted,
        "largest relative difference of deviations": float(np.abs(same / std - 1).max()),
        "one Cholesky factorisation": floor,
        "device time of the fit, time constants": mine.device_time_,
    }


# -- zinc in the soil -------------------------------------------------------------------------------------------------


def meuse(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Places in kilometres from the middle, and log zinc in mg/kg."""
    table = np.genfromtxt(file, delimiter=",", names=True)
    places = np.column_stack([table["x"], table["y"]]) / 1000
    return places - places.mean(axis=0), np.log(table["zinc"])


def zinc(file: Path) -> dict[str, Any]:
    """The same kernel by both, and what a step of the ascent costs at least."""
    X, y = meuse(file)
    mine = ThermodynamicGPRegressor(KERNEL, alpha=1e-6, normalize_y=True, rng=0)
    theirs = GaussianProcessRegressor(KERNEL, alpha=1e-6, normalize_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        digital = least_seconds(lambda: theirs.fit(X, y), 3)
    simulated = least_seconds(lambda: mine.fit(X, y), 3)
    M = mine.kernel_(X)
    evidence, error = mine.log_marginal_likelihood(return_std=True)
    return {
        "data": len(X),
        "parameters": str(mine.kernel_),
        "of scikit-learn": str(theirs.kernel_),
        "standard deviations of their logarithms": mine.theta_std_.tolist(),
        "largest difference of theta in these": float(
            np.max(np.abs(mine.kernel_.theta - theirs.kernel_.theta) / mine.theta_std_)
        ),
        "evidence, measured": evidence,
        "its standard error": error,
        "evidence, scikit-learn": float(theirs.log_marginal_likelihood_value_),
        "kernels looked at": mine.n_iter_,
        "simulation, seconds": simulated,
        "scikit-learn, seconds": digital,
        "floor, seconds: one Cholesky factorisation per kernel": mine.n_iter_
        * least_seconds(lambda: scipy.linalg.cholesky(M)),
        "device time of the solves, time constants": mine.device_time_,
    }


def draw_zinc(file: Path, path: Path) -> None:
    """Mean and standard deviation of the posterior over the land around the data."""
    plt = pyplot()
    X, y = meuse(file)
    process = ThermodynamicGPRegressor(KERNEL, alpha=1e-6, normalize_y=True, rng=0).fit(X, y)
    sides = [np.linspace(low - 0.2, high + 0.2, 60) for low, high in zip(X.min(axis=0), X.max(axis=0), strict=True)]
    places = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    shown = zip(process.predict(places, return_std=True), ("viridis", "magma_r"), strict=True)
    meshes = [
        ax.pcolormesh(*sides, values.reshape(60, 60), cmap=colors, rasterized=True)
        for ax, (values, colors) in zip(axes, shown, strict=True)
    ]
    low, high = meshes[0].get_clim()
    axes[0].scatter(*X.T, c=y, s=9, edgecolors="white", linewidths=0.4, vmin=low, vmax=high)
    axes[1].scatter(*X.T, c="black", s=3)
    for ax, mesh, title in zip(axes, meshes, ("ln zinc: mean", "its standard deviation"), strict=True):
        figure.colorbar(mesh, ax=ax)
        ax.set(aspect="equal", xlabel="km", ylabel="km")
        ax.grid(visible=False)
        ax.set_title(title, loc="left", fontsize=10)
    save(figure, path)
    plt.close(figure)


# -- a photograph -----------------------------------------------------------------------------------------------------


def photograph() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey values as they are and with noise, and the pixels' coordinates row by row."""
    grey = load_sample_image("flower.jpg").mean(axis=2)[::COARSE, ::COARSE] / 255
    noisy = grey + NOISE * np.random.default_rng(0).standard_normal(grey.shape)
    rows, columns = (np.arange(length, dtype=float) for length in grey.shape)
    return grey, noisy, np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def restored() -> tuple[dict[str, Any], tuple[np.ndarray, ...]]:
    """The noisy photograph seen as a function on a grid."""
    grey, noisy, X = photograph()
    level = float((NOISE / noisy.std()) ** 2)  # the noise of a camera is known
    process = ThermodynamicGPRegressor(ConstantKernel(1.0) * RBF([2.0, 2.0]), alpha=level, normalize_y=True, rng=0)
    _, fitting = timed(lambda: process.fit(X, noisy.ravel()))
    mean, predicting = timed(lambda: process.predict(X).reshape(grey.shape))
    draws, drawing = timed(lambda: process.sample_y(X, DRAWS, rng=0))
    constant, factors = (
        process.kernel_.k1.constant_value,
        [
            RBF(length)(np.arange(n, dtype=float)[:, None])
            for length, n in zip(process.kernel_.k2.length_scale, grey.shape, strict=True)
        ],
    )

    def directly() -> np.ndarray:
        (a, P), (b, Q) = (scipy.linalg.eigh(factor) for factor in factors)
        values = constant * np.outer(a, b)
        centred = (noisy - noisy.mean()) / noisy.std()
        shrunk = (P.T @ centred @ Q) * values / (values + level)
        return (P @ shrunk @ Q.T) * noisy.std() + noisy.mean()

    def error(image: np.ndarray) -> float:
        return float(np.sqrt(np.mean((image - grey) ** 2)))

    numbers = {
        "pixels": grey.size,
        "parameters": str(process.kernel_),
        "form": process.structure_,
        "kernels looked at": process.n_iter_,
        "root mean square error, noisy": error(noisy),
        "root mean square error, mean": error(mean),
        "difference from the direct computation": float(np.abs(mean - directly()).max()),
        "fit with parameters, seconds": fitting,
        "mean, seconds": predicting,
        f"{DRAWS} functions, seconds": drawing,
        "directly, seconds: mean at given parameters": least_seconds(directly),
        "floor, seconds: the two eigendecompositions": least_seconds(lambda: [scipy.linalg.eigh(f) for f in factors]),
        "device time of the solves, time constants": process.device_time_,
    }
    return numbers, (noisy, mean, draws[:, 0].reshape(grey.shape), draws.std(axis=1).reshape(grey.shape))


def draw_photograph(images: tuple[np.ndarray, ...], path: Path) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(1, 4, figsize=(13, 2.7), layout="constrained")
    titles = ("with noise", "posterior mean", "one function of the posterior", "standard deviation")
    for ax, image, title in zip(axes, images, titles, strict=True):
        shown = ax.imshow(image, cmap="magma_r" if title == titles[-1] else "gray")
        ax.axis("off")
        ax.set_title(title, loc="left", fontsize=10)
    figure.colorbar(shown, ax=axes[-1])
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path, file = given.results / "gaussian-process.json", Path(given.data) / "spatial" / "meuse.csv"
    photo, images = restored()
    if not given.draw:
        before = read(path) if path.is_file() else {}
        sizes = {str(n): compared(n) for n in SIZES}
        soil = zinc(file) if file.is_file() else before.get("zinc")
        results = {"against scikit-learn, processor seconds": sizes, "zinc": soil, "photograph": photo}
        write(results, path)
    draw_photograph(images, given.pictures / "gaussian-process-photograph.png")
    if file.is_file():
        draw_zinc(file, given.pictures / "gaussian-process-zinc.png")


if __name__ == "__main__":
    main()
