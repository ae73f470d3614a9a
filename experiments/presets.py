"""Training on imperfect devices: TNGD and thermodynamic K-FAC under each preset, and against four of their numbers.

    python experiments/presets.py
    python experiments/presets.py --mnist --seeds 1 --bits 2,4,8 --mismatches 0.03,0.3 --temperatures 1e-4,1e-2

Test accuracy against bits, mismatch, temperature κ₀ and drift of the couplings, a thousand units of time after their
write. The digits of scikit-learn, one hidden layer of 32, three epochs; or 2048 images of MNIST, in squares of four
pixels, one epoch. Rates are those found for an ideal device and the digits. TNGD holds the rows of the curvature in an
array, K-FAC (arXiv:2502.08603, the idea; its full text could not be read) its damped factors. Of the presets the
converters and couplings are taken: unequal capacitors and noises make a device of as many unequal nodes as the network
has parameters, anew in every step, which is too slow to simulate here. A step whose device cannot hold its matrix is
left out and counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from common import SEEDS, options, pyplot, read, save, unfinished, write
from data import Part, load_data
from torch import nn
from training import train_all

import thermolinalg as tla
from thermoapps.natural_gradient import KroneckerFactored, NaturalGradient, Thermodynamic, ThermodynamicKFAC
from thermolinalg.devices.imperfections import (
    PCB2024,
    Converter,
    Couplings,
    IntegratedCMOS,
    PaperTNGD,
    Pessimistic,
)

Errors = Callable[[], tla.Imperfections]

PRESETS: dict[str, Errors] = {
    "ideal": tla.Imperfections,
    "PaperTNGD": PaperTNGD,
    "PCB2024": PCB2024,
    "IntegratedCMOS": IntegratedCMOS,
    "Pessimistic": Pessimistic,
}
BITS, MISMATCHES, TEMPERATURES = (2, 3, 4, 6, 8), (0.01, 0.03, 0.1, 0.3), (1e-6, 1e-4, 1e-2)
DRIFTS, AGE = (0.03, 0.1, 0.3), 1000.0
"""Exponents of the couplings, and their age: 81, 50 and 13 % of the conductance are left."""
WIDTH, BATCH, EPOCHS = 32, 64, 3
IMAGES = 2048
TIME, DAMPING = 20.0, 0.1
RATES = {"TNGD": 0.3, "thermodynamic K-FAC": 0.3}
COLOURS = {"TNGD": "#c1272d", "thermodynamic K-FAC": "#2e8b57"}


@dataclass(frozen=True)
class Trained:
    """One training.

    Parameters
    ----------
    method : str
    kind : {"preset", "bits", "mismatch", "temperature", "drift"}
    value : str or float
        Which preset, or how much of it.
    seed : int
    """

    method: str
    kind: str
    value: Any
    seed: int = field(default=0)

    @property
    def key(self) -> str:
        """All of it, as text."""
        return repr(asdict(self))


def imperfections(kind: str, value: Any) -> tla.Imperfections:
    """Of a training."""
    if kind == "preset":
        preset = PRESETS[value]()
        return tla.Imperfections(inputs=preset.inputs, couplings=preset.couplings, outputs=preset.outputs)
    if kind == "bits":
        converter = Converter(bits=value)
        return tla.Imperfections(inputs=converter, couplings=Couplings(bits=value), outputs=converter)
    if kind == "mismatch":
        return tla.Imperfections(couplings=Couplings(mismatch=value))
    if kind == "drift":
        return tla.Imperfections(couplings=Couplings(drift=value, age=AGE))
    return tla.Imperfections()


def images(folder: Path | None) -> tuple[Part, Part, int]:
    """Training and test data and epochs: the digits without a folder, else MNIST, coarsened."""
    data = load_data(folder)
    if folder is None:
        return data.train, data.test, EPOCHS
    coarse = [(nn.functional.avg_pool2d(x, 2), y) for x, y in (data.first(IMAGES), data.test)]
    return coarse[0], coarse[1], 1


def optimiser(run: Trained, model: nn.Module) -> NaturalGradient:
    """On its device."""
    temperature = run.value if run.kind == "temperature" else 0.0
    device = tla.LangevinDevice(law=tla.Overdamped(temperature), imperfections=imperfections(run.kind, run.value))
    if run.method == "TNGD":
        solver: Any = Thermodynamic(TIME, device=device, rng=run.seed)
    else:
        solver = ThermodynamicKFAC(method="solve", time=TIME, device=device, rng=run.seed)
    return NaturalGradient(model, RATES[run.method], DAMPING, solver=solver)


def trained(run: Trained, folder: Path | None) -> dict[str, Any]:
    """Test accuracy at the end, steps left out, processor seconds."""
    return _trained(run.seed, folder, lambda model: optimiser(run, model))


def digital(seed: int, folder: Path | None) -> float:
    """Accuracy of K-FAC without a device."""
    rate = RATES["thermodynamic K-FAC"]

    def build(model: nn.Module) -> NaturalGradient:
        return NaturalGradient(model, rate, DAMPING, solver=KroneckerFactored())

    return float(_trained(seed, folder, build)["accuracy"])


def _trained(seed: int, folder: Path | None, build: Callable[[nn.Module], NaturalGradient]) -> dict[str, Any]:
    torch.set_num_threads(1)
    (x, y), (held, labels), epochs = images(folder)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    opt, shuffle, lost = build(model), torch.Generator().manual_seed(seed), 0
    began = process_time()
    for _epoch in range(epochs):
        for index in torch.randperm(len(y), generator=shuffle)[: len(y) // BATCH * BATCH].view(-1, BATCH):
            opt.zero_grad()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", tla.ThermodynamicWarning)
                try:
                    opt.backward(model(x[index]), y[index])
                    opt.step()
                except np.linalg.LinAlgError:
                    lost += 1
    with torch.no_grad():
        accuracy = float((model(held).argmax(1) == labels).float().mean())
    return {"accuracy": accuracy, "steps left out": lost, "seconds": process_time() - began}


def experiment(given: Any, path: Path) -> dict[str, Any]:
    """All trainings, by method and kind."""
    seeds = SEEDS[: given.seeds]
    kinds: dict[str, Sequence[Any]] = {
        "preset": [part for part in given.presets.split(",") if part],
        "bits": [int(part) for part in given.bits.split(",") if part],
        "mismatch": [float(part) for part in given.mismatches.split(",") if part],
        "temperature": [float(part) for part in given.temperatures.split(",") if part],
        "drift": [float(part) for part in given.drifts.split(",") if part],
    }
    folder = given.data if given.mnist else None
    points = [(method, kind, value) for method in RATES for kind, values in kinds.items() for value in values]
    runs = [Trained(*point, seed) for point in points for seed in seeds]
    found = train_all(runs, folder, unfinished(path), given.workers, trained)
    rows = [
        {"method": method, "kind": kind, "value": value, "runs": found[len(seeds) * i : len(seeds) * (i + 1)]}
        for i, (method, kind, value) in enumerate(points)
    ]
    epochs, accuracies = 1 if given.mnist else EPOCHS, [digital(seed, folder) for seed in seeds]
    return {"epochs": epochs, "batch": BATCH, "K-FAC, digital": accuracies, "rows": rows}


def draw(found: dict[str, dict[str, Any]], path: Path) -> None:
    """A row of panels for the images of each name: one for presets, and one for each quantity."""
    plt = pyplot()
    figure, rows = plt.subplots(
        len(found), 5, figsize=(14, 3.0 * len(found)), layout="constrained", sharey="row", squeeze=False
    )
    for axes, (name, results) in zip(rows, found.items(), strict=True):
        _draw_row(axes, results)
        axes[0].set(ylabel=f"test accuracy (%), {name}")
    rows[0, 0].legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def _draw_row(axes: Any, results: dict[str, Any]) -> None:
    """See `draw`."""
    for ax, kind in zip(axes, ("preset", "bits", "mismatch", "temperature", "drift"), strict=True):
        for method, colour in COLOURS.items():
            rows = [row for row in results["rows"] if row["kind"] == kind and row["method"] == method]
            if not rows:
                continue
            values = [[100 * run["accuracy"] for run in row["runs"]] for row in rows]
            middle = np.median(values, axis=1)
            spread = np.abs(np.array([np.min(values, axis=1), np.max(values, axis=1)]) - middle)
            along = range(len(rows)) if kind == "preset" else [row["value"] for row in rows]
            ax.errorbar(along, middle, spread, fmt="o" if kind == "preset" else "o-", ms=4, color=colour, label=method)
            if kind == "preset":
                ax.set_xticks(list(along), [row["value"] for row in rows], rotation=30, fontsize=8)
        ax.set_xlabel({"preset": "", "temperature": "temperature κ₀", "drift": "drift ν"}.get(kind, kind))
        if kind in ("mismatch", "temperature", "drift"):
            ax.set_xscale("log")
            told = sorted({row["value"] for row in results["rows"] if row["kind"] == kind})
            ax.set_xticks(told, [f"{value:g}" for value in told])
            ax.minorticks_off()


def main() -> None:
    given = options(
        __doc__,
        presets=",".join(PRESETS),
        bits=",".join(map(str, BITS)),
        mismatches=",".join(map(str, MISMATCHES)),
        temperatures=",".join(map(str, TEMPERATURES)),
        drifts=",".join(map(str, DRIFTS)),
        mnist=False,
    )
    paths = {"digits": given.results / "presets.json", "MNIST": given.results / "presets_mnist.json"}
    path = paths["MNIST" if given.mnist else "digits"]
    if not given.draw:
        write(experiment(given, path), path)
    found = {name: read(each) for name, each in paths.items() if each.is_file()}
    draw(found, given.pictures / "experiments-presets.png")


if __name__ == "__main__":
    main()
