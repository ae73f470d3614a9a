"""Nonlinear least squares: NIST's reference problems against SciPy, and the picture of a fit with its band.

    python experiments/nonlinear_least_squares.py --data FOLDER [--problems NAME ...]

FOLDER holds nist_strd/*.dat; without it only the picture is made.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import numpy as np
from scipy.optimize import curve_fit, least_squares
from scipy.stats import f

from thermoapps.least_squares import thermodynamic_curve_fit, thermodynamic_least_squares
from thermolinalg.files import replacing

mpl.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]

# Energy radiated from a carbon filament lamp against temperature in 1000 K: Daniel and Wood, NIST's DanWood.
TEMPERATURE = np.array([1.309, 1.471, 1.490, 1.565, 1.611, 1.680])
ENERGY = np.array([2.138, 3.421, 3.597, 4.340, 4.882, 5.660])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--problems", nargs="+", help="these only; what is known of the others is kept")
    parser.add_argument("--results", type=Path, default=ROOT / "experiments" / "results")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args()
    picture(given.pictures / "curve-fit.png")
    if given.data is not None:
        path = given.results / "nonlinear-least-squares.json"
        chosen = given.problems or list(models().MODELS)
        known = json.loads(path.read_text(encoding="utf-8")) if given.problems else []
        rows = [row for row in known if row["problem"] not in chosen]
        rows += reference_problems(given.data / "nist_strd", chosen)
        rows.sort(key=lambda row: (row["problem"], row["start"]))
        with replacing(path, force=True) as stream:
            stream.write((json.dumps(rows, indent=1) + "\n").encode())


def models() -> ModuleType:
    """The parser and the models of the tests."""
    path = ROOT / "tests" / "thermoapps" / "least_squares" / "test_nist.py"
    spec = importlib.util.spec_from_file_location("nist", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Timed:
    """A function, and the seconds spent in it: no solver is faster than what it has to evaluate."""

    def __init__(self, fun: Callable[[Any], Any]) -> None:
        self.fun, self.seconds = fun, 0.0

    def __call__(self, x: Any) -> Any:
        before = time.process_time()
        value = self.fun(x)
        self.seconds += time.process_time() - before
        return value


def reference_problems(folder: Path, chosen: list[str]) -> list[dict[str, Any]]:
    """Both solvers on chosen problems from both starts, in every scale of the variables."""
    nist = models()
    rows = []
    for name in chosen:
        reference = nist.read_reference(folder / f"{name}.dat")
        for number, start in enumerate(reference.starts, 1):
            row: dict[str, Any] = {"problem": name, "start": number}
            for variant, (solver, how) in variants(start).items():
                fun = Timed(nist.residuals_of(name, reference.data))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)
                    row[variant] = judged(solver, fun, start, how, nist, reference)
            rows.append(row)
            print(name, number, {variant: row[variant]["outcome"] for variant in variants(start)}, flush=True)
    return rows


def variants(start: np.ndarray) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """What is run on each problem: solvers and their arguments."""
    return {
        "scipy": (least_squares, {"x_scale": "jac", "max_nfev": 2000}),
        "device": (on_device, {"max_nfev": 2000}),
        "device, x_scale=1": (on_device, {"x_scale": 1.0, "max_nfev": 2000}),
        "device, x_scale=|x0|": (on_device, {"x_scale": abs(start), "max_nfev": 2000}),
    }


def judged(
    solver: Callable[..., Any], fun: Timed, start: np.ndarray, how: dict[str, Any], nist: ModuleType, reference: Any
) -> dict[str, Any]:
    """One run: solved, honest (no success where there is none) or false."""
    before = time.process_time()
    try:
        result = solver(fun, start, **how)
    except (ValueError, np.linalg.LinAlgError) as error:
        return {"outcome": "failed", "message": str(error)}
    digits = float(nist.digits(result.x, reference.certified))
    floor = 1e-20 * float(np.sum(reference.data[:, 0] ** 2))  # squares of residuals at rounding level
    lowest = result.cost <= reference.cost * (1 + 1e-6) + floor
    row = {
        "outcome": ("solved" if lowest else "false") if result.success else "failed",
        "digits": round(digits, 2),
        "evaluations": int(result.nfev),
        "seconds": round(time.process_time() - before, 4),
        "seconds in the model": round(fun.seconds, 4),
        "cost": float(result.cost),
        "status": int(result.status),
    }
    return row | ({"device time": float(result.device_time)} if "device_time" in result else {})


def on_device(fun: Callable[[Any], Any], start: np.ndarray, **how: Any) -> Any:
    return thermodynamic_least_squares(fun, start, rng=0, **how)


def radiation(temperature: Any, factor: float, exponent: float) -> Any:
    return factor * temperature**exponent


def picture(path: Path) -> None:
    """The fit, its band from device samples, and the samples of the parameters."""
    fit = thermodynamic_curve_fit(radiation, TEMPERATURE, ENERGY, [1.0, 5.0], n_samples=2000, rng=0)
    _, pcov = curve_fit(radiation, TEMPERATURE, ENERGY, [1.0, 5.0])
    grid = np.linspace(1.2, 1.9, 200)
    lower, upper = fit.band(grid)
    best = radiation(grid, *fit.popt)
    left, right = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")[1]
    left.fill_between(grid, lower - best, upper - best, alpha=0.3, label="95 % band, device samples")
    left.plot(TEMPERATURE, ENERGY - radiation(TEMPERATURE, *fit.popt), "k.", label="data")
    left.axhline(0, lw=1)
    left.set(xlabel="temperature / 1000 K", ylabel="energy − fit")
    left.legend(loc="lower left")
    right.plot(*fit.samples.T, ".", ms=2, alpha=0.4, label="device samples")
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    ellipse = fit.popt[:, None] + np.sqrt(2 * f.ppf(0.95, 2, TEMPERATURE.size - 2)) * np.linalg.cholesky(pcov) @ circle
    right.plot(*ellipse, "k", lw=1, label="95 % ellipse of curve_fit")
    right.set(xlabel="factor", ylabel="exponent")
    right.legend()
    with replacing(path, force=True) as stream:
        plt.gcf().savefig(stream, format="png", dpi=120)
    plt.close("all")


if __name__ == "__main__":
    main()
