"""Deconvolution of nonnegative spikes: the posterior that knows their sign, beside the Gaussian one and the mode.

python experiments/boxes.py
"""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np
import scipy.linalg
from common import options, pyplot, read, save, write
from scipy.optimize import nnls

from thermoapps.boxes import TruncatedGaussian, thermodynamic_nnls

SIZE, BLUR, NOISE, PRIOR = 60, 1.5, 0.05, 1.0
SPIKES = {10: 1.0, 14: 0.6, 30: 1.5, 33: 0.8, 48: 0.4}


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blur, spikes and noisy data."""
    t = np.arange(SIZE)
    blur = np.exp(-0.5 * ((t[:, None] - t) / BLUR) ** 2) / (BLUR * np.sqrt(2 * np.pi))
    spikes = np.zeros(SIZE)
    spikes[list(SPIKES)] = list(SPIKES.values())
    return blur, spikes, blur @ spikes + NOISE * np.random.default_rng(0).standard_normal(SIZE)


def measured() -> dict[str, Any]:
    """Posterior in the positive orthant, posterior without it, and modes."""
    blur, spikes, data = problem()
    precision = blur.T @ blur / NOISE**2 + PRIOR * np.eye(SIZE)
    mean = np.linalg.solve(precision, blur.T @ data / NOISE**2)
    covariance = np.linalg.inv(precision)
    began = process_time()
    chains = TruncatedGaussian(precision, mean, lower=0.0).sample(100, rng=0)
    seconds = process_time() - began
    low, high = chains.quantile(0.05)[0], chains.quantile(0.95)[0]
    mode, known = thermodynamic_nnls(blur, data, rng=0)[0], nnls(blur, data)[0]
    root = scipy.linalg.cholesky(precision)
    stacked = TruncatedGaussian(precision, mean, lower=0.0).mode(rng=0)
    digital = nnls(root, root @ mean)[0]
    return {
        "spikes": spikes.tolist(),
        "data": data.tolist(),
        "mean": chains.mean.tolist(),
        "standard error": chains.standard_error.tolist(),
        "5 %": low.tolist(),
        "95 %": high.tolist(),
        "Gaussian mean": mean.tolist(),
        "Gaussian std": np.sqrt(np.diag(covariance)).tolist(),
        "nnls": mode.tolist(),
        "error of nnls beside SciPy's": float(np.abs(mode - known).max()),
        "error of the mode beside SciPy's": float(np.abs(stacked - digital).max()),
        "draws": len(chains),
        "least effective draws": float(chains.ess.min()),
        "largest R-hat": float(chains.rhat.max()),
        "seconds": seconds,
        "negative entries of the Gaussian mean": int(np.sum(mean < 0)),
        "root mean square error": {
            "posterior mean": float(np.sqrt(np.mean((chains.mean - spikes) ** 2))),
            "Gaussian mean": float(np.sqrt(np.mean((mean - spikes) ** 2))),
            "nnls": float(np.sqrt(np.mean((mode - spikes) ** 2))),
        },
    }


def draw(results: dict[str, Any], path: Any) -> None:
    """Both posteriors over the spikes."""
    plt = pyplot()
    t = np.arange(SIZE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
    mean, std = np.array(results["Gaussian mean"]), np.array(results["Gaussian std"])
    left.fill_between(t, mean - 1.645 * std, mean + 1.645 * std, color="C3", alpha=0.2, linewidth=0)
    left.plot(t, mean, color="C3", label="Gaussian posterior, 90 %")
    right.fill_between(t, results["5 %"], results["95 %"], color="C0", alpha=0.25, linewidth=0)
    right.plot(t, results["mean"], color="C0", label="between rails, 90 %")
    right.plot(t, results["nnls"], "x", color="C1", markersize=4, label="nonnegative least squares")
    for axis in (left, right):
        axis.vlines(t, 0, results["spikes"], color="k", linewidth=1, label="spikes")
        axis.plot(t, results["data"], ".", color="0.6", markersize=3, label="data")
        axis.legend(fontsize=7, loc="upper right")
        axis.set(xlabel="place")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "boxes.json"
    if not given.draw:
        write({"deconvolution": measured()}, path)
    draw(read(path)["deconvolution"], given.pictures / "boxes.png")


if __name__ == "__main__":
    main()
