"""Error of a solve against time, on a modelled device and digitally: d = 100, 1000 and 5000.

    python experiments/error_against_time.py
    python experiments/error_against_time.py --sizes 100,1000

The device is the timing model of Thermodynamic Natural Gradient Descent (16 bit, 50 Gbit/s, RC = 1 µs); its errors are
those of simulated runs. Digital times are measured on one core here, and modelled for an A100 by its data sheet.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from common import options, pyplot, read, save, write
from scipy.sparse.linalg import cg

import thermolinalg as tla
from thermolinalg.devices import Ledger
from thermolinalg.hardware import A100, PAPER
from thermolinalg.hardware.computer import clocked

TEMPERATURES = (1.0, 1e-4)
RUNS, SEEDS, ITERATIONS = 12, 3, 80
WINDOWS = np.geomspace(2e3, 2e8, 11)


def problem(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A from 2 d Gaussian samples (condition about 34), x Gaussian, and b = A x."""
    rng = np.random.default_rng(d)
    X = rng.standard_normal((2 * d, d))
    A, x = X.T @ X / (2 * d), rng.standard_normal(d)
    return A, A @ x, x


def seconds_of(ledger: Ledger) -> dict[str, float]:
    """With the loading of A, and without any moving of numbers."""
    bill = PAPER.bill(ledger)
    return {"seconds": bill.seconds, "seconds without loading": bill.part("relax")}


def since(ledger: Ledger, before: Ledger) -> Ledger:
    """What was booked between two states of a ledger, and the writing of the matrix."""
    differences = {
        name: getattr(ledger, name) - getattr(before, name)
        for name in ("runs", "device_time", "values_in", "values_out", "node_time", "coupling_time")
    }
    return replace(ledger, **differences)


def device_curves(A: np.ndarray, b: np.ndarray, x: np.ndarray, temperature: float, host: float) -> dict[str, Any]:
    """Errors of single runs of growing length, and after each run whose residual is sent back."""
    device = tla.program(A, device=tla.LangevinDevice(law=tla.Overdamped(temperature=temperature)), rng=0)
    burn_in, size = device.price("solve", b=b).schedule.burn_in, np.linalg.norm(x)
    single, refined = [], []
    for window in WINDOWS:
        schedule, errors, before = tla.Schedule(burn_in, window), [], replace(device.ledger)
        for seed in range(SEEDS):
            y = device.solve(b, refine=False, schedule=schedule, rng=seed)
            errors.append(float(np.linalg.norm(y - x) / size))
        booked = since(device.ledger, before)
        one = Ledger()
        one.write(booked.couplings)
        one.record(len(A), 1, booked.device_time / SEEDS)
        single.append({"error": float(np.mean(np.square(errors)) ** 0.5), "window": float(window)} | seconds_of(one))
    for runs in range(1, RUNS + 1):
        before = replace(device.ledger)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            y, info = device.solve(b, rtol=1e-14, maxiter=runs, rng=0, return_info=True)
        if info.n_runs < runs:
            break
        taken = seconds_of(since(device.ledger, before))
        row = {"error": float(np.linalg.norm(y - x) / size), "runs": runs}
        refined.append(row | {name: value + (runs + 1) * host for name, value in taken.items()})
    return {"temperature": temperature, "single": single, "refined": refined}


def digital(A: np.ndarray, b: np.ndarray, x: np.ndarray) -> dict[str, Any]:
    """Cholesky and conjugate gradients by the clock, and by the data sheet of an A100."""
    d, size = len(A), np.linalg.norm(x)
    factorise = lambda: scipy.linalg.cho_solve(scipy.linalg.cho_factor(A, check_finite=False), b)  # noqa: E731
    tries = [clocked(factorise) for _ in range(1 if d > 2000 else 5)]
    errors: list[float] = []

    def watch(y: np.ndarray) -> None:
        errors.append(float(np.linalg.norm(y - x) / size))

    cg(A, b, rtol=1e-14, maxiter=ITERATIONS, callback=watch)
    whole = min(clocked(lambda: cg(A, b, rtol=1e-14, maxiter=ITERATIONS))[0] for _ in range(3))
    step = A100.seconds(2.0 * d**2, "product") + A100.overhead.value
    factor = A100.seconds(d**3 / 3, "factor") + A100.seconds(2.0 * d**2, "product") + A100.overhead.value
    return {
        "Cholesky": {"seconds": min(tries)[0], "error": float(np.linalg.norm(tries[0][1] - x) / size)},
        "Cholesky, A100": {"seconds": factor},
        "CG": {"seconds": [whole * (k + 1) / len(errors) for k in range(len(errors))], "error": errors},
        "CG, A100": {"seconds": [step * (k + 1) for k in range(len(errors))], "error": errors},
        "product": min(clocked(lambda: A @ b)[0] for _ in range(5)),
    }


def measure(d: int) -> dict[str, Any]:
    A, b, x = problem(d)
    told = digital(A, b, x)
    curves = [device_curves(A, b, x, temperature, told["product"]) for temperature in TEMPERATURES]
    plan = tla.plan(A, b, rtol=1e-6)
    print(plan, flush=True)
    return {
        "d": d,
        "condition": plan.explanation.condition,
        "loading": PAPER.bill(plan.ledger).part("write"),
        "device": curves,
        "digital": told,
        "plan at 1e-6": {
            "ways": [asdict(way) for way in plan.ways],
            "crossovers": [asdict(each) for each in plan.crossovers],
            "why": plan.why,
        },
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """A panel for each dimension."""
    plt = pyplot()
    panels = results["sizes"]
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.4), layout="constrained", sharey=True)
    for ax, panel in zip(np.atleast_1d(axes), panels, strict=True):
        for curve, colour in zip(panel["device"], ("#0072B2", "#009E73"), strict=True):
            name = f"T = {curve['temperature']:g}"
            for kind, marker in (("single", "o"), ("refined", "s")):
                points = curve[kind]
                errors = [point["error"] for point in points]
                label = f"device, {'one run' if kind == 'single' else 'residuals sent back'}, {name}"
                ax.loglog([p["seconds"] for p in points], errors, "-", marker=marker, ms=3, color=colour, label=label)
                ax.loglog([p["seconds without loading"] for p in points], errors, ":", color=colour, lw=1)
        digital = panel["digital"]
        ax.loglog(digital["CG"]["seconds"], digital["CG"]["error"], "--", color="#D55E00", label="CG, one core here")
        ax.loglog(
            digital["CG, A100"]["seconds"],
            digital["CG, A100"]["error"],
            "-.",
            color="#E69F00",
            label="CG, A100 modelled",
        )
        ax.axvline(digital["Cholesky"]["seconds"], color="#D55E00", lw=1, label="Cholesky, one core here")
        ax.axvline(digital["Cholesky, A100"]["seconds"], color="#E69F00", lw=1, label="Cholesky, A100 modelled")
        ax.axvline(panel["loading"], color="0.6", lw=1, ls=(0, (1, 3)), label="A is loaded")
        ax.set(title=f"d = {panel['d']}", xlabel="time (s); dotted: without moving numbers", ylim=(1e-12, 3))
    np.atleast_1d(axes)[0].set_ylabel("relative error of x")
    handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, sizes="100,1000,5000")
    path = given.results / "error-against-time.json"
    if not given.draw:
        write({"sizes": [measure(int(d)) for d in given.sizes.split(",")]}, path)
    draw(read(path), given.pictures / "planning-error-against-time.png")


if __name__ == "__main__":
    main()
