"""Posteriors of logistic and Poisson regressions beside random-walk Metropolis and importance sampling."""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import scipy.stats
from scipy.special import expit

from thermoapps.bayesian import (
    Chains,
    ThermodynamicBayesianLogisticRegression,
    ThermodynamicBayesianPoissonRegressor,
)

SAMPLES, CHAINS, DRAWS = 100, 32, 200
SIZES = (2, 10, 30)


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """Effective draws a second, agreement of means, and evidences; nothing is read from `data`."""
    return {"rows": [_both(kind, p) for kind in ("logistic", "Poisson") for p in SIZES]}


def table(results: dict[str, Any]) -> str:
    """The same as Markdown."""
    lines = [
        f"Regressions of {SAMPLES} samples, prior N(0, 1). Both samplers have {CHAINS} chains side by side in NumPy, "
        "as many readings, and the posterior's covariance to scale their steps by; random-walk Metropolis takes four "
        "steps between two readings, about as many as the device. Evidences beside importance sampling from Student's "
        "t with 100 000 draws.",
        "",
        "| | coefficients | device: effective draws a second | Metropolis | difference of means, errors "
        "| log evidence by work | importance sampling |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        ours, theirs = (row[name]["ess"] / row[name]["seconds"] for name in ("device", "Metropolis"))
        work, known = (f"{row[name][0]:.3f} ± {row[name][1]:.3f}" for name in ("work", "importance"))
        start = f"| {row['kind']} | {row['coefficients']} | {ours:.0f} | {theirs:.0f} | {row['difference']:.1f} "
        lines.append(f"{start}| {work} | {known} |")
    return "\n".join(lines)


def _both(kind: str, p: int) -> dict[str, Any]:
    """One regression by all."""
    rng = np.random.default_rng(p)
    X = rng.standard_normal((SAMPLES, p))
    scores = X @ (rng.standard_normal(p) / np.sqrt(p))
    labels = kind == "logistic"
    y = (rng.random(SAMPLES) < expit(scores)).astype(int) if labels else rng.poisson(np.exp(scores))
    model = ThermodynamicBayesianLogisticRegression if labels else ThermodynamicBayesianPoissonRegressor
    began = process_time()
    fitted = model(fit_intercept=False, draws=DRAWS, chains=CHAINS, rng=0).fit(X, y)
    seconds, ours = process_time() - began, fitted.chains_
    free = fitted.log_evidence(atol=0.05, rng=1)

    def energy(theta: np.ndarray) -> np.ndarray:
        eta = X @ theta
        if labels:
            losses = np.logaddexp(0, np.where(y[:, None] > 0, -eta, eta))
        else:
            losses = np.exp(eta) - y[:, None] * eta + scipy.special.gammaln(y + 1)[:, None]
        return np.asarray(losses.sum(axis=0) + np.sum(theta**2, axis=0) / 2)

    covariance, began = np.cov(ours.flat.T).reshape(p, p), process_time()
    theirs = _metropolis(energy, ours.mean, np.linalg.cholesky(covariance), 4, rng)
    digital = process_time() - began
    proposal = scipy.stats.multivariate_t(ours.mean, 1.1 * covariance, df=10)
    theta = np.atleast_2d(proposal.rvs(100_000, random_state=rng).reshape(-1, p).T)
    logs = -energy(theta) - p / 2 * np.log(2 * np.pi) - proposal.logpdf(theta.T)
    weights = np.exp(logs - logs.max())
    known = float(np.log(weights.mean()) + logs.max())
    error = np.hypot(ours.standard_error, theirs.standard_error)
    return {
        "kind": kind,
        "coefficients": p,
        "device": {"ess": float(ours.ess.min()), "seconds": seconds},
        "Metropolis": {"ess": float(theirs.ess.min()), "seconds": digital},
        "difference": float(np.max(np.abs(ours.mean - theirs.mean) / error)),
        "work": [float(free.value), float(free.standard_error)],
        "importance": [known, float(weights.std() / weights.mean() / np.sqrt(len(weights)))],
    }


def _metropolis(energy: Any, start: np.ndarray, root: np.ndarray, steps: int, rng: np.random.Generator) -> Chains:
    """Random walks with steps of 2.4/sqrt(p) standard deviations, read every few steps."""
    p, kept = len(start), []
    x = start[:, None] + root @ rng.standard_normal((p, CHAINS))
    value = energy(x)
    for reading in range(20 + DRAWS):
        for _ in range(steps):
            proposed = x + 2.4 / np.sqrt(p) * root @ rng.standard_normal((p, CHAINS))
            new = energy(proposed)
            taken = np.log(rng.random(CHAINS)) < value - new
            x, value = np.where(taken, proposed, x), np.where(taken, new, value)
        if reading >= 20:
            kept.append(x.T.copy())
    return Chains(np.stack(kept, axis=1))
