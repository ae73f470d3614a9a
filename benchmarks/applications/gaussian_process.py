"""Fit and prediction of Gaussian processes beside scikit-learn, and the factorisations that both contain."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

from benchmarks.applications.side_by_side import alone, beside, rows
from benchmarks.markdown import duration
from thermoapps.gaussian_process import ThermodynamicGPRegressor

FIXED: dict[str, Any] = {"alpha": 0.01, "optimizer": None}
SIZES = (200, 1000, 2000, 4000)
MANY, PLACES = 20_000, 20
KERNELS: dict[str, Any] = {"Gaussian": RBF(1.0), "Matérn 5/2": Matern(2.0, nu=2.5)}


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """Fits of given and of free hyperparameters, means and deviations at 100 others, and data too many for a matrix."""
    found = many()  # first: the peak of memory is this part's
    results: dict[str, Any] = {}
    for n in SIZES:
        X, Z, y = points(n)
        ours = ThermodynamicGPRegressor(RBF(1.0), random_state=0, **FIXED)
        theirs = GaussianProcessRegressor(RBF(1.0), **FIXED)
        M, across = RBF(1.0)(X) + 0.01 * np.eye(n), RBF(1.0)(Z, X).T
        factor = cholesky(M, lower=True)
        results[f"fit, N = {n}"] = beside(
            lambda: ours.fit(X, y).predict(Z),
            lambda: theirs.fit(X, y).predict(Z),
            lambda a, b: np.max(abs(a - b)),
            floor=lambda: cholesky(M, lower=True, check_finite=False),
        )
        results[f"predict with deviations, N = {n}"] = beside(
            lambda: ours.predict(Z, return_std=True)[1],
            lambda: theirs.predict(Z, return_std=True)[1],
            lambda a, b: np.max(abs(a / b - 1)),
            floor=lambda: solve_triangular(factor, across, lower=True, check_finite=False),
        )
    kernel = ConstantKernel() * RBF(1.0) + WhiteKernel(0.1)
    for n in SIZES:
        X, _, y = points(n)
        results[f"fit with its kernel, N = {n}"] = beside(
            lambda: ThermodynamicGPRegressor(kernel, random_state=0).fit(X, y).kernel_.theta,
            lambda: GaussianProcessRegressor(kernel).fit(X, y).kernel_.theta,
            lambda a, b: np.max(abs(a - b)),
        )
    return {name: one | {"beside": "scikit-learn"} for name, one in results.items()} | {"many": found}


def points(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n points at random in a square, 100 others, and noisy values at the first."""
    rng = np.random.default_rng(0)
    X, Z = rng.uniform(0, 10, (n, 2)), rng.uniform(0, 10, (100, 2))
    return X, Z, np.sin(X).sum(axis=1) + 0.1 * rng.standard_normal(n)


def many() -> dict[str, Any]:
    """CPU seconds for more data than are held as a matrix, the form that the device holds, and the peak of memory."""
    found = {}
    for name, kernel in KERNELS.items():
        X, Z, y = points(MANY)
        process = ThermodynamicGPRegressor(kernel, random_state=0, **FIXED)
        fitting, _ = alone(lambda: process.fit(X, y))
        predicting, (mean, deviation) = alone(lambda: process.predict(Z[:PLACES], return_std=True))
        found[f"{name}, N = {MANY:,}"] = {
            "fit": fitting,
            "predict": predicting,
            "structure": process.structure_,
            "error": float(np.max(abs(mean - np.sin(Z[:PLACES]).sum(axis=1)) / deviation)),
            "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }
    return found


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    results = dict(results)
    lines = [
        f"- {name}, held as {one['structure']}: fit {duration(one['fit'])}, means and deviations at {PLACES} places "
        f"{duration(one['predict'])}; the means are within {one['error']:.2g} deviations of the function. Peak of "
        f"memory until then: {one['gigabytes']:.2g} GiB, where a matrix would take {MANY**2 / 2**27:.2g}."
        for name, one in results.pop("many").items()
    ]
    return f"""\
Fits end with the means at 100 points. Deviations differ relatively, kernels in the logarithms of their parameters. The
floor is one Cholesky factorisation of the matrix for a fit, and one triangular solve with 100 columns for the
deviations. A run of a simulated device is two such solves, and what it leaves is measured by a product, which is as
much again: deviations whose variances are right to a millionth take four of both, and that is where their time goes.

{rows(results)}

Kernels climb by slopes from 16 readings from 400 data on, until those say no more, and by inverses from there.

More data than are held as a matrix, with noise of 0.1 and beside no peer:

{chr(10).join(lines)}
"""
