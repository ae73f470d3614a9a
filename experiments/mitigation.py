"""How far error mitigation goes: the error of a run against the rounding of its couplings, with and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from common import options, pyplot, read, save, write

import thermolinalg as tla
from thermolinalg.devices import Averaged, Calibrated, Converter, Couplings, Ensemble

BITS = (6, 7, 8, 9, 10, 12)
SIZES = (16, 64, 200)
LARGE = (7, 8, 9)
"""Bits that are measured at the largest size."""

CONDITION = 10.0
COLD = tla.Overdamped(1e-14)
"""So cold that what is left is not noise."""

COARSE = 0.003
"""Steps above which a power is fitted: below it the first order that K copies leave, ε/K, shows in the ensembles."""


def problem(d: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A with the eigenvalues 1/κ … 1 in geometric steps and random eigenvectors, b of random signs, and A⁻¹b."""
    rng = np.random.default_rng([seed, d])
    q, _ = np.linalg.qr(rng.standard_normal((d, d)))
    A = (q * np.geomspace(1 / CONDITION, 1, d)) @ q.T
    A, b = (A + A.T) / 2, rng.choice([-1.0, 1.0], d)
    return A, b, np.linalg.solve(A, b)


def coarse(bits: int, mismatch: float = 0.0) -> tla.LangevinDevice:
    """A cold device whose couplings have so many bits."""
    return tla.LangevinDevice(COLD, imperfections=tla.Imperfections(couplings=Couplings(bits=bits, mismatch=mismatch)))


def rows(bits: int, copies: int) -> dict[str, Any]:
    """The devices that are compared."""
    plain, strayed = coarse(bits), coarse(bits, 1e-3)
    return {
        "one rounding": plain,
        f"{copies} stochastic roundings": Ensemble(plain, copies, "stochastic"),
        f"{copies} dithered roundings": Ensemble(plain, copies),
        f"{copies} dithered, 0.1 % mismatch": Ensemble(strayed, copies),
        f"{copies} dithered, 0.1 % mismatch, calibrated": Calibrated(Ensemble(strayed, copies)),
    }


def missed(device: Any, d: int, seed: int) -> float:
    """Relative error of one raw run; infinite where the couplings are too coarse for any copy."""
    A, b, exact = problem(d, seed)
    try:
        x = tla.solve(A, b, refine=False, rtol=1e-5, device=device, rng=seed)
    except np.linalg.LinAlgError:
        return float("inf")
    return float(np.linalg.norm(x - exact) / np.linalg.norm(exact))


def curves(d: int, bits: tuple[int, ...], copies: int, seeds: int) -> dict[str, list[float]]:
    """Median error over seeds of each device, for each number of bits."""
    found: dict[str, list[float]] = {}
    large = d >= SIZES[-1]
    for n in bits:
        for name, device in rows(n, copies).items():
            if ("calibrated" in name and d > SIZES[0]) or ("mismatch" in name and large):
                continue
            measured = not large or n in LARGE
            errors = [missed(device, d, seed) for seed in range(seeds)] if measured else [float("nan")]
            found.setdefault(name, []).append(float(np.median(errors)))
    return found


def slope(along: list[float], errors: list[float]) -> float:
    """Power of a coarse step with which an error falls, from the bits at which there is one."""
    x, y = np.log(along), np.log(errors)
    seen = np.isfinite(y) & (np.array(along) > COARSE)
    return float(np.polyfit(x[seen], y[seen], 1)[0]) if seen.sum() > 1 else float("nan")


def readout(runs: tuple[int, ...], seeds: int) -> dict[str, list[float]]:
    """Median error against the number of averaged runs, for readings of 6 bits in both roundings, and noisy ones."""
    kinds = {
        "6 bits, nearest": Converter(bits=6),
        "6 bits, stochastic": Converter(bits=6, rounding="stochastic"),
        "noise of 1 %": Converter(noise=0.01),
    }
    return {
        name: [
            float(
                np.median(
                    [
                        missed(
                            Averaged(tla.LangevinDevice(COLD, imperfections=tla.Imperfections(outputs=kind)), n),
                            SIZES[0],
                            seed,
                        )
                        for seed in range(seeds)
                    ]
                )
            )
            for n in runs
        ]
        for name, kind in kinds.items()
    }


def measure(sizes: tuple[int, ...], bits: tuple[int, ...], copies: int, seeds: int) -> dict[str, Any]:
    """All numbers."""
    steps = [1 / (2 ** (n - 1) - 1) for n in bits]
    runs = (1, 4, 16, 64, 256)
    couplings = []
    for d in sizes:
        found = curves(d, bits, copies, seeds if d < SIZES[-1] else 1)
        slopes = {name: slope(steps, errors) for name, errors in found.items()}
        couplings.append({"nodes": d, "error": found, "slope": slopes})
    return {
        "condition": CONDITION,
        "bits": list(bits),
        "step": steps,
        "copies": copies,
        "couplings": couplings,
        "runs": list(runs),
        "readout": readout(runs, seeds),
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """Error against the step of the couplings, size by size, and against averaged runs."""
    plt = pyplot()
    figure, axes = plt.subplots(1, len(results["couplings"]) + 1, figsize=(11.5, 3.5), layout="constrained")
    step = np.array(results["step"])
    for ax, part in zip(axes, results["couplings"], strict=False):
        for k, (name, errors) in enumerate(part["error"].items()):
            values = np.array([np.nan if error is None else error for error in errors], dtype=float)
            power = part["slope"][name]
            told = f"{name} ({power:.2f})" if power is not None else name
            ax.loglog(step, values, "o-", color=f"C{k}", markersize=3, linewidth=1.3, label=told)
        ax.set(title=f"{part['nodes']} nodes", xlabel="step of the couplings, relative")
        ax.legend(fontsize=5.5)
    axes[0].set_ylabel("relative error of x")
    for name, errors in results["readout"].items():
        axes[-1].loglog(results["runs"], errors, "o-", markersize=3, linewidth=1.3, label=name)
    axes[-1].set(title="readout", xlabel="averaged runs")
    axes[-1].legend(fontsize=5.5)
    save(figure, path)


def main() -> None:
    """Measure, write and draw."""
    given = options(__doc__, copies=64, largest=SIZES[-1])
    path, picture = given.results / "mitigation.json", given.pictures / "mitigation.png"
    if not given.draw:
        sizes = tuple(d for d in SIZES if d <= given.largest)
        write(measure(sizes, BITS, given.copies, min(given.seeds, 2)), path)
    draw(read(path), picture)


if __name__ == "__main__":
    main()
