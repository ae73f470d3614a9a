"""Do the times grow as claimed? Device time of five primitives against dimension and condition, and LAPACK's beside it.

    python experiments/claims.py

The abstract of Thermodynamic Linear Algebra (arXiv:2308.05660) claims speed-ups over digital methods that grow linearly
with the dimension, for linear systems, inverses, determinants and Lyapunov equations; that of Thermodynamic Matrix
Exponentials (arXiv:2311.12759) claims the same for exponentials, and that of Thermodynamic Bayesian Inference
(arXiv:2410.01793) samples of Gaussian posteriors in a time of ln d. Here single runs, without any digital correction,
are asked for a relative error of 5 % (determinants: a standard error of log det of 0.02), their true error is told by
the eigenvectors that A was made of, and powers are fitted to the time that the device took, in τ, overdamped and
underdamped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
from common import options, pyplot, read, save, write

import thermolinalg as tla

RTOL, LOGDET = 0.05, 0.02
CONDITION, FIXED = 10.0, 64

LAWS = {"overdamped": tla.Overdamped(), "underdamped": tla.Underdamped()}
GENERAL = ("lyapunov", "expm")
"""What needs a device whose couplings and noise are free; it is overdamped."""

SEVERAL = 512
"""Order up to which runs are repeated; a larger one takes minutes to simulate, and has more to average over."""

COLOURS = {"solve": "#0072B2", "inv": "#E69F00", "lyapunov": "#009E73", "logdet": "#D55E00", "expm": "#CC79A7"}


class Problem:
    """A with eigenvalues on a logarithmic scale in random directions, b Gaussian, and a covariance Q of noises."""

    def __init__(self, d: int, condition: float) -> None:
        rng = np.random.default_rng(d)
        self.vectors = np.linalg.qr(rng.standard_normal((d, d)))[0]
        self.weights = np.geomspace(1 / condition, 1, d)
        A = self.of_A(self.weights)
        B = rng.standard_normal((d, d)) / np.sqrt(d)
        self.A, self.b, self.Q = (A + A.T) / 2, rng.standard_normal(d), B @ B.T + np.eye(d)

    def of_A(self, values: np.ndarray) -> np.ndarray:
        """The matrix with these eigenvalues and the eigenvectors of A."""
        return np.asarray((self.vectors * values) @ self.vectors.T)

    def lyapunov(self) -> np.ndarray:
        """X with A X + X A = Q."""
        turned = self.vectors.T @ self.Q @ self.vectors
        return np.asarray(self.vectors @ (turned / (self.weights[:, None] + self.weights)) @ self.vectors.T)


def relative(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def logdet(A: np.ndarray, **to: Any) -> tuple[float, Any]:
    """Of a positive definite A, and the report."""
    (_, value), info = tla.slogdet(A, atol=LOGDET, return_info=True, **to)
    return value, info


def tasks(d: int, condition: float) -> dict[str, tuple[Callable[..., Any], Callable[[], Any], Callable[[Any], float]]]:
    """For each primitive the run of a device, what LAPACK does, and the error of a run."""
    given = Problem(d, condition)
    A, b, Q, weights = given.A, given.b, given.Q, given.weights
    raw = {"refine": False, "rtol": RTOL, "return_info": True}
    # An exponential is asked for entry by entry: all d² of them together leave the relative error.
    entry = RTOL * np.linalg.norm(np.exp(-weights)) / d
    return {
        "solve": (
            lambda **to: tla.solve(A, b, **raw, **to),
            lambda: scipy.linalg.solve(A, b, assume_a="pos"),
            lambda x: relative(x, given.vectors @ ((given.vectors.T @ b) / weights)),
        ),
        "inv": (
            lambda **to: tla.inv(A, **raw, **to),
            lambda: scipy.linalg.inv(A),
            lambda X: relative(X, given.of_A(1 / weights)),
        ),
        "lyapunov": (
            lambda **to: tla.solve_continuous_lyapunov(A, Q, **raw, **to),
            lambda: scipy.linalg.solve_continuous_lyapunov(A, Q),
            lambda X: relative(X, given.lyapunov()),
        ),
        "logdet": (
            lambda **to: logdet(A, **to),
            lambda: np.linalg.slogdet(A)[1],
            lambda found: float(abs(found - np.log(weights).sum())),
        ),
        "expm": (
            lambda **to: tla.expm(-A, atol=entry, return_info=True, **to),
            lambda: scipy.linalg.expm(-A),
            lambda X: relative(X, given.of_A(np.exp(-weights))),
        ),
    }


def runs(law: str, d: int, condition: float, repeats: int) -> dict[str, Any]:
    """Device time and true error of each primitive that a device with this law has, and the simulation's time."""
    found = {}
    for name, (run, _, error) in tasks(d, condition).items():
        general = name in GENERAL
        if general and law == "underdamped":
            continue
        device = tla.GeneralDevice() if general else tla.LangevinDevice(law=LAWS[law])
        began = process_time()
        told = [run(device=device, rng=seed) for seed in range(repeats if d <= SEVERAL else 1)]
        found[name] = {
            "device_time": float(np.mean([info.device_time for _, info in told])),
            "error": float(np.mean([error(value) ** 2 for value, _ in told]) ** 0.5),
            "seconds": (process_time() - began) / len(told),
        }
    print(law, d, condition, found, flush=True)
    return {"d": d, "condition": condition, "tasks": found}


def sampling_time(d: int, condition: float, divergence: float = 0.01) -> float:
    """Time in τ after which a device at rest has the law of a Gaussian posterior, to a Kullback–Leibler divergence.

    Each mode starts at zero with its mean one standard deviation away; law and posterior are Gaussian.
    """
    rates = np.geomspace(1 / condition, 1, d)

    def left(t: float) -> float:
        # e^{−2λt} is missing of a mode's variance, and left of its mean's distance squared.
        return float(-np.sum(np.log1p(-np.exp(-2 * rates * t))) / 2) - divergence

    return float(scipy.optimize.brentq(left, 1e-6, 1e6 * condition))


def lapack(d: int, repeats: int = 3) -> dict[str, float]:
    """Processor seconds of each primitive in LAPACK, the least of a few."""
    times = {}
    for name, (_, digital, _) in tasks(d, CONDITION).items():
        tries = []
        for _ in range(repeats):
            began = process_time()
            digital()
            tries.append(process_time() - began)
        times[name] = min(tries)
    return times


def exponent(x: list[float], y: list[float], points: int = 3) -> float:
    """Slope of a line through the last points on logarithmic scales."""
    return float(np.polyfit(np.log(x[-points:]), np.log(y[-points:]), 1)[0])


def exponents(rows: list[dict[str, Any]], along: str, points: int) -> dict[str, float]:
    """Of the device time of each primitive."""
    x = [row[along] for row in rows]
    return {name: exponent(x, [row["tasks"][name]["device_time"] for row in rows], points) for name in rows[0]["tasks"]}


def draw(results: dict[str, Any], path: Path) -> None:
    """Device time against dimension and condition, and LAPACK's time against dimension."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    for law, style in (("overdamped", "-"), ("underdamped", "--")):
        for ax, along in zip(axes, ("d", "condition"), strict=False):
            rows = results[law][along]["rows"]
            for name, slope in results[law][along]["exponents"].items():
                times = [row["tasks"][name]["device_time"] for row in rows]
                label = f"{name}: {slope:.2f}" if law == "overdamped" else None
                ax.loglog(
                    [row[along] for row in rows], times, style, marker="o", ms=3, color=COLOURS[name], label=label
                )
    for name, slope in results["LAPACK"]["exponents"].items():
        times = [row["seconds"][name] for row in results["LAPACK"]["rows"]]
        sizes = [row["d"] for row in results["LAPACK"]["rows"]]
        axes[2].loglog(sizes, times, marker="o", ms=3, color=COLOURS[name], label=f"{name}: {slope:.2f}")
    axes[0].set(xlabel="d", ylabel="device time (τ)", title=f"κ = {CONDITION:g}; dashed: underdamped")
    axes[1].set(xlabel="κ", ylabel="device time (τ)", title=f"d = {FIXED}")
    axes[2].set(xlabel="d", ylabel="seconds of one core", title="LAPACK")
    for ax in axes:
        ax.legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(
        __doc__,
        sizes="16,32,64,128,256,512,1024,2048,5000",
        conditions="3,10,30,100,300",
        lapack="64,128,256,512,1024",
        repeats=2,
    )
    path = given.results / "claims.json"
    if not given.draw:
        sizes = [int(part) for part in given.sizes.split(",")]
        conditions = [float(part) for part in given.conditions.split(",")]
        results: dict[str, Any] = {"rtol": RTOL, "logdet": LOGDET}
        for law in LAWS:
            grown = [runs(law, d, CONDITION, given.repeats) for d in sizes]
            worse = [runs(law, min(FIXED, sizes[-1]), condition, given.repeats) for condition in conditions]
            results[law] = {
                "d": {"rows": grown, "exponents": exponents(grown, "d", 5)},
                "condition": {"rows": worse, "exponents": exponents(worse, "condition", 3)},
            }
        rows = [{"d": int(part), "seconds": lapack(int(part))} for part in given.lapack.split(",")]
        times = {name: [row["seconds"][name] for row in rows] for name in rows[0]["seconds"]}
        slopes = {name: exponent([row["d"] for row in rows], seconds) for name, seconds in times.items()}
        posterior = [{"d": d, "device_time": sampling_time(d, CONDITION)} for d in (10, 100, 1000, 10**4, 10**5, 10**6)]
        write(results | {"posterior": posterior, "LAPACK": {"rows": rows, "exponents": slopes}}, path)
    draw(read(path), given.pictures / "experiments-claims.png")


if __name__ == "__main__":
    main()
