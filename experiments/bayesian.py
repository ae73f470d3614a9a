"""Bayesian inference: logistic and Poisson posteriors, their evidence and calibration.

python experiments/bayesian.py
"""

from __future__ import annotations

import warnings
from time import process_time
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
from common import options, pyplot, read, save, write
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

import thermolinalg as tla
from thermoapps.bayesian import ThermodynamicBayesianLogisticRegression, ThermodynamicBayesianPoissonRegressor

BINS, RUNS, CHAINS = 16, 200, 63


def calibration(kind: str) -> dict[str, Any]:
    """Ranks of true coefficients among the last draws of 63 chains, over data drawn from the model."""
    rng, ranks = np.random.default_rng(0), []
    model = {"logistic": ThermodynamicBayesianLogisticRegression, "poisson": ThermodynamicBayesianPoissonRegressor}[
        kind
    ]
    while len(ranks) < RUNS:
        X, theta = rng.standard_normal((15, 2)), rng.standard_normal(3) * [1.0, 1.0, 0.5]
        scores = X @ theta[:2] + theta[2]
        y = (rng.random(15) < expit(scores)).astype(int) if kind == "logistic" else rng.poisson(np.exp(scores))
        if np.ptp(y) == 0:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)  # of few draws of each chain
            fitted = model(intercept_precision=4.0, draws=4, chains=CHAINS, rng=len(ranks)).fit(X, y)
        ranks.append(np.sum(fitted.chains_.draws[:, -1] < theta, axis=0))
    counts = [np.bincount(each * BINS // (CHAINS + 1), minlength=BINS).tolist() for each in np.array(ranks).T]
    return {"counts": counts, "p": [float(scipy.stats.chisquare(each).pvalue) for each in counts]}


def tumours() -> dict[str, Any]:
    """Ten features of the breast cancer data, in their own units: posterior, evidence and sureness."""
    X, y = load_breast_cancer(return_X_y=True)
    X, scale = X[:, :10], X[:, :10].std(axis=0)
    train = np.random.default_rng(0).permutation(len(y))[:60]
    rest = np.setdiff1d(np.arange(len(y)), train)
    began = process_time()
    model = ThermodynamicBayesianLogisticRegression(prior_precision=scale**2, intercept_precision=0.01, rng=0).fit(
        X[train], y[train]
    )
    seconds = process_time() - began
    free = model.log_evidence(rng=1)
    best = LogisticRegression(C=1e3, max_iter=10_000).fit(X[train] / scale, y[train])
    ours = model.predict_proba(X[rest])[:, 1]
    theirs = best.predict_proba(X[rest] / scale)[:, 1]

    def loss(p: np.ndarray) -> float:
        return float(-np.mean(np.log(np.clip(np.where(y[rest], p, 1 - p), 1e-12, 1))))

    return {
        "mean": (model.coef_ * scale).tolist(),
        "std": (model.chains_.std[:10] * scale).tolist(),
        "draws": len(model.chains_),
        "least effective draws": float(model.chains_.ess.min()),
        "largest R-hat": float(model.chains_.rhat.max()),
        "seconds": seconds,
        "log evidence": free.value,
        "its standard error": free.standard_error,
        "log loss, posterior": loss(ours),
        "log loss, all but unpenalised fit": loss(theirs),
    }


def evidences() -> list[dict[str, Any]]:
    """Log evidence of counts against the precision of the prior: by work, by Laplace's method, and on a grid."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((12, 1))
    y, rows = rng.poisson(np.exp(0.8 * X[:, 0] - 1.0)), []
    grid = np.linspace(-12, 12, 1201)
    beta, b = (each.ravel() for each in np.meshgrid(grid, grid, indexing="ij"))
    scores = X @ beta[None] + b
    logs = (y[:, None] * scores - np.exp(scores) - scipy.special.gammaln(y + 1)[:, None]).sum(axis=0)
    for precision in np.geomspace(0.03, 100, 9).tolist():
        model = ThermodynamicBayesianPoissonRegressor(prior_precision=precision, intercept_precision=0.25, rng=0)
        free = model.fit(X, y).log_evidence(rng=1)
        prior = -precision * beta**2 / 2 - b**2 / 8 + np.log(precision * 0.25) / 2 - np.log(2 * np.pi)
        exact = float(scipy.special.logsumexp(logs + prior) + 2 * np.log(grid[1] - grid[0]))
        laplace = model._energy.laplace + model._columns.log_prior
        rows.append({"precision": precision, "work": free.value, "error": free.standard_error})
        rows[-1] |= {"exact": exact, "Laplace": float(laplace)}
    return rows


def draw(results: dict[str, Any], path: Any) -> None:
    """Ranks, and the evidence."""
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    low, high = scipy.stats.binom.ppf([0.005, 0.995], RUNS, 1 / BINS)
    left.axhspan(low, high, color="0.9", label="99 % of uniform ranks")
    for i, kind in enumerate(("logistic", "poisson")):
        for k, counts in enumerate(results["calibration"][kind]["counts"]):
            label = kind if k == 0 else None
            left.step(np.arange(BINS), counts, where="mid", color=f"C{i}", alpha=0.8, label=label)
    left.set(xlabel="rank of the true coefficient", ylabel=f"of {RUNS} data sets", ylim=(0, None))
    left.legend(fontsize=8)
    rows = results["evidence"]
    at = [row["precision"] for row in rows]
    right.axhline(0.0, color="k", linewidth=1)
    right.plot(at, [row["Laplace"] - row["exact"] for row in rows], "C3s--", markersize=3, label="Laplace")
    errors = [2 * row["error"] for row in rows]
    right.errorbar(
        at, [row["work"] - row["exact"] for row in rows], errors, fmt="C0o", markersize=4, label="by work, two errors"
    )
    right.set(xscale="log", xlabel="precision of the prior", ylabel="log evidence beside quadrature")
    right.legend(fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "bayesian.json"
    if not given.draw:
        parts = {kind: calibration(kind) for kind in ("logistic", "poisson")}
        write({"tumours": tumours(), "evidence": evidences(), "calibration": parts}, path)
    draw(read(path), given.pictures / "bayesian.png")


if __name__ == "__main__":
    main()
