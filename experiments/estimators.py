"""Ridge regression of the diabetes data on a device, beside scikit-learn's: times, differences, and a picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from common import options, pyplot, save, write
from sklearn import linear_model
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import StandardScaler

from thermoapps.generalized_linear import ThermodynamicLogisticRegression, ThermodynamicPoissonRegressor
from thermoapps.least_squares import ThermodynamicBayesianRidge, ThermodynamicRidge

REPEATS = 5


def compared(name: str, mine: Any, theirs: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Medians of the times of both, the floor, and how far their coefficients differ."""
    seconds = {}
    for who, model in (("device", mine), ("digital", theirs)):
        runs = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            model.fit(X, y)
            runs.append(time.perf_counter() - start)
        seconds[who] = float(np.median(runs))
    rows, size = X.shape[0], X.shape[1] + 1
    matrix = np.eye(size) + np.ones((size, size))
    factorisation = []
    for _ in range(100 * REPEATS):
        start = time.perf_counter()
        scipy.linalg.cholesky(matrix)
        factorisation.append(time.perf_counter() - start)
    solves = int(np.max(getattr(mine, "n_iter_", None) or 1))
    difference = np.linalg.norm(mine.coef_ - theirs.coef_) / np.linalg.norm(theirs.coef_)
    return {
        "estimator": name,
        "samples": rows,
        "features": X.shape[1],
        "relative difference of coefficients": float(difference),
        "simulation, seconds": seconds["device"],
        "scikit-learn, seconds": seconds["digital"],
        "floor, seconds: one Cholesky factorisation per step": solves * float(np.median(factorisation)),
        "device time, time constants": mine.device_time_,
    }


def main() -> None:
    given = options(__doc__)
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    cancer, labels = load_breast_cancer(return_X_y=True)
    cancer = StandardScaler().fit_transform(cancer)
    precise = {"tol": 1e-10, "max_iter": 1000}
    logistic = linear_model.LogisticRegression(solver="newton-cholesky", **precise)
    poisson = linear_model.PoissonRegressor(solver="newton-cholesky", **precise)
    bayes = ThermodynamicBayesianRidge(rng=0)
    rows = [
        compared("Ridge", ThermodynamicRidge(rng=0), linear_model.Ridge(), X, y),
        compared("BayesianRidge", bayes, linear_model.BayesianRidge(), X, y),
        compared("LogisticRegression", ThermodynamicLogisticRegression(rng=0), logistic, cancer, labels),
        compared("PoissonRegressor", ThermodynamicPoissonRegressor(rng=0), poisson, X, y),
    ]
    write({"rows": rows}, given.results / "estimators.json")
    draw(bayes, X, y, given.pictures / "estimators.png")


def draw(bayes: ThermodynamicBayesianRidge, X: np.ndarray, y: np.ndarray, path: Path) -> None:
    """Readings of the device beside the posterior of scikit-learn."""
    plt = pyplot()
    names, draws = load_diabetes().feature_names, bayes.sample_coef(2000, rng=1)
    figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
    axis.violinplot(draws, range(len(names)), showextrema=False)
    exact = linear_model.BayesianRidge().fit(X, y)
    error = np.sqrt(np.diag(exact.sigma_))
    axis.errorbar(range(len(names)), exact.coef_, error, fmt="k.", capsize=3, label="scikit-learn: mean ± one σ")
    axis.axhline(0, color="gray", linewidth=0.5)
    axis.set_xticks(range(len(names)), names)
    axis.set_ylabel("coefficient")
    axis.set_title("Diabetes progression: 2000 readings of the device, coefficient by coefficient", fontsize=10)
    axis.legend()
    save(figure, path)
    plt.close(figure)


if __name__ == "__main__":
    main()
