"""How far the imperfections of a device go: error against bits, mismatch, temperature and offset, law beside data."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy.sparse.linalg import cg

import thermolinalg as tla
from thermolinalg.devices import Amplifiers
from thermolinalg.files import replacing

HERE = Path(__file__).resolve().parent
NODES = 16
CONDITIONS = (3.0, 10.0, 100.0, 1000.0)
WINDOW = 1e5
"""Length in τ of the averages whose noise is shown."""

BITS = (3, 4, 5, 6, 8, 10, 12, 16)
RELATIVE = tuple(float(x) for x in np.geomspace(1e-5, 1e-1, 9))
TEMPERATURES = tuple(float(x) for x in np.geomspace(1e-7, 1e-1, 7))


def problem(condition: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A with the eigenvalues 1/κ … 1 in geometric steps and random eigenvectors, b of random signs, and A⁻¹b."""
    rng = np.random.default_rng([seed, int(condition)])
    q, _ = np.linalg.qr(rng.standard_normal((NODES, NODES)))
    A = (q * np.geomspace(1 / condition, 1, NODES)) @ q.T
    A = (A + A.T) / 2
    b = rng.choice([-1.0, 1.0], NODES)
    return A, b, np.linalg.solve(A, b)


def device(temperature: float = 0.0, **imperfections: Any) -> tla.LangevinDevice:
    """A device that takes A and b as they are."""
    return tla.LangevinDevice(tla.Overdamped(temperature), tla.AsWritten(), tla.Imperfections(**imperfections))


def moved(A: np.ndarray, x: np.ndarray, elements: Any, load: Any = 0.0) -> float:
    """Relative error of x by independent errors of elements and loads of these variances, to first order.

    ‖A⁻¹(δA x − δb)‖² = Σ_k Σ_i (A⁻¹)_ki² (Σ_j var_ij x_j² + var_i) on average, for a symmetric δA with the terms of
    its two halves, which share their errors.
    """
    inverse = np.linalg.inv(A)
    variance = elements * np.ones_like(A)
    rows = variance @ x**2 + load
    shared = variance * x * x[:, None] * (inverse.T @ inverse)
    total = np.sum((inverse**2) @ rows) + shared.sum() - np.trace(shared)
    return float(np.sqrt(total) / np.linalg.norm(x))


def mean_of(A: np.ndarray, b: np.ndarray, held: tla.LangevinDevice, seed: int) -> np.ndarray:
    """Where the voltages come to rest, without noise."""
    return held.program(A, rng=seed).settle(b[:, None], np.inf, rng=np.random.default_rng(seed)).value[:, 0]


def of_bits(A: np.ndarray, b: np.ndarray, x: np.ndarray, bits: float, seed: int) -> tuple[float, float]:
    """Error and law of a matrix that is rounded."""
    y = mean_of(A, b, device(matrix_bits=bits), seed)
    step = abs(A).max() / (2 ** (bits - 1) - 1)
    return error(y, x), moved(A, x, step**2 / 12)


def of_mismatch(A: np.ndarray, b: np.ndarray, x: np.ndarray, sigma: float, seed: int) -> tuple[float, float]:
    """Error and law of elements that differ."""
    return error(mean_of(A, b, device(mismatch=sigma), seed), x), moved(A, x, (sigma * A) ** 2)


def of_offset(A: np.ndarray, b: np.ndarray, x: np.ndarray, volts: float, seed: int) -> tuple[float, float]:
    """Error and law of amplifiers with offsets."""
    y = mean_of(A, b, device(amplifiers=Amplifiers(offset=volts)), seed)
    return error(y, x), moved(A, x, 0.0, (volts * (abs(A).sum(axis=1) + abs(A).max())) ** 2)


def of_temperature(A: np.ndarray, b: np.ndarray, x: np.ndarray, temperature: float, seed: int) -> tuple[float, float]:
    """Error and law of the average over a window in equilibrium."""
    program = device(temperature).program(A, rng=seed)
    schedule = tla.Schedule(burn_in=20 / program.rate(), duration=WINDOW)
    y = program.average(b[:, None], schedule, rng=np.random.default_rng(seed)).value[:, 0]
    lam = np.linalg.eigvalsh(A)
    variance = np.sum(2 * temperature / (lam**2 * WINDOW) * (1 - 1 / (lam * WINDOW)))
    return error(y, x), float(np.sqrt(variance) / np.linalg.norm(x))


def error(y: np.ndarray, x: np.ndarray) -> float:
    """‖y − x‖/‖x‖."""
    return float(np.linalg.norm(y - x) / np.linalg.norm(x))


SWEEPS: dict[str, tuple[Callable[..., tuple[float, float]], Sequence[float], str]] = {
    "bits": (of_bits, BITS, "bits of the matrix"),
    "mismatch": (of_mismatch, RELATIVE, "mismatch"),
    "temperature": (of_temperature, TEMPERATURES, f"temperature, window {WINDOW:g} τ"),
    "offset": (of_offset, RELATIVE, "offset of the amplifiers, of full range"),
}


def sweep(name: str, dies: int) -> list[dict[str, Any]]:
    """Root mean square errors over devices and problems, and what the law says of them."""
    measure, values, _ = SWEEPS[name]
    curves = []
    for condition in CONDITIONS:
        problems = [problem(condition, seed) for seed in range(dies)]
        found = np.array([[measure(*p, v, seed) for seed, p in enumerate(problems)] for v in values])
        rms = np.sqrt(np.mean(found**2, axis=1))
        curves.append(
            {"condition": condition, "values": list(values), "error": rms[:, 0].tolist(), "law": rms[:, 1].tolist()}
        )
    return curves


def refinement(dies: int) -> list[dict[str, Any]]:
    """Runs until the residual is 1e-10 of b, against bits, beside the products of plain conjugate gradients."""
    curves = []
    for condition in CONDITIONS:
        rows: dict[str, Any] = {"condition": condition, "bits": list(BITS), "runs": [], "lifted": []}
        problems = [problem(condition, seed) for seed in range(dies)]
        for bits in BITS:
            held = tla.LangevinDevice(tla.Overdamped(1e-4), imperfections=tla.Imperfections(matrix_bits=bits))
            infos = [tla.solve(A, b, device=held, rng=s, return_info=True)[1] for s, (A, b, _) in enumerate(problems)]
            assert all(info.success for info in infos)
            rows["runs"].append(float(np.mean([info.n_runs for info in infos])))
            rows["lifted"].append(sum("positive definite only with μ" in info.reason for info in infos))
        rows["products of CG"] = float(np.mean([products_of_cg(A, b) for A, b, _ in problems]))
        curves.append(rows)
    return curves


def products_of_cg(A: np.ndarray, b: np.ndarray) -> int:
    """Iterations of SciPy's conjugate gradients to the same residual."""
    done = []
    cg(A, b, rtol=1e-10, callback=done.append)
    return len(done)


def draw(results: dict[str, Any], path: Path) -> None:
    """One panel a sweep, and one for refinement."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 3, figsize=(12, 7), constrained_layout=True)
    axes = grid.ravel()
    for ax, (name, (_, _, label)) in zip(axes, SWEEPS.items(), strict=False):
        for i, curve in enumerate(results["sweeps"][name]):
            ax.plot(curve["values"], curve["law"], color=f"C{i}", linewidth=1.2)
            ax.plot(curve["values"], curve["error"], "o", color=f"C{i}", markersize=4)
        ax.set(xlabel=label, yscale="log", xscale="linear" if name == "bits" else "log", ylim=(1e-6, 10))
        ax.set_ylabel("relative error of one reading")
    for i, curve in enumerate(results["refinement"]):
        axes[4].plot(
            curve["bits"], curve["runs"], "o-", color=f"C{i}", markersize=4, label=f"κ = {curve['condition']:g}"
        )
        axes[4].axhline(curve["products of CG"], color=f"C{i}", linestyle=":", linewidth=1)
    axes[4].set(xlabel="bits of the matrix", ylabel="runs until the residual is 1e-10", ylim=(0, None))
    axes[4].plot([], [], "k-", label="law; runs")
    axes[4].plot([], [], "ko", label="measured")
    axes[4].plot([], [], "k:", label="products of plain CG")
    axes[5].legend(*axes[4].get_legend_handles_labels(), loc="center")
    axes[5].axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as stream:
        figure.savefig(stream, format="png", dpi=110)
    plt.close(figure)


def rounded(value: Any) -> Any:
    """Numbers to five digits."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dies", type=int, default=40, help="devices, each with a problem of its own")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--pictures", type=Path, default=HERE.parent / "docs" / "images")
    given = parser.parse_args()
    results = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "scipy": scipy.__version__},
        "nodes": NODES,
        "dies": given.dies,
        "sweeps": {name: sweep(name, given.dies) for name in SWEEPS},
        "refinement": refinement(max(given.dies // 4, 1)),
    }
    path = given.results / "imperfections.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as stream:
        stream.write((json.dumps(rounded(results), indent=1, ensure_ascii=False) + "\n").encode())
    draw(results, given.pictures / "imperfections.png")


if __name__ == "__main__":
    main()
