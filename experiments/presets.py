"""Training on imperfect devices: TNGD and thermodynamic K-FAC under each preset, and against bits, mismatch and noise.

    python experiments/presets.py

The digits that come with scikit-learn, one hidden layer of 32, three epochs at rates found for an ideal device. TNGD
holds the rows of the curvature in an array, K-FAC (arXiv:2502.08603, the idea; its full text could not be read) its
damped factors. Of the presets the converters and couplings are taken: unequal capacitors and noises make a device of
as many unequal nodes as the network has parameters, anew in every step, which is too slow to simulate here. A step
whose device cannot hold its matrix is left out and counted.
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
from data import load_data
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
WIDTH, BATCH, EPOCHS = 32, 64, 3
TIME, DAMPING = 20.0, 0.1
RATES = {"TNGD": 0.3, "thermodynamic K-FAC": 0.3}
COLOURS = {"TNGD": "#c1272d", "thermodynamic K-FAC": "#2e8b57"}


@dataclass(frozen=True)
class Trained:
    """One training.

    Parameters
    ----------
    method : str
    kind : {"preset", "bits", "mismatch", "temperature"}
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
    return tla.Imperfections()


def optimiser(run: Trained, model: nn.Module) -> NaturalGradient:
    """On its device."""
    temperature = run.value if run.kind == "temperature" else 0.0
    device = tla.LangevinDevice(law=tla.Overdamped(temperature), imperfections=imperfections(run.kind, run.value))
    if run.method == "TNGD":
        solver: Any = Thermodynamic(TIME, device=device, rng=run.seed)
    else:
        solver = ThermodynamicKFAC(method="solve", time=TIME, device=device, rng=run.seed)
    return NaturalGradient(model, RATES[run.method], DAMPING, solver=solver)


def trained(run: Trained, _: Path | None) -> dict[str, Any]:
    """Test accuracy at the end, steps left out, processor seconds."""
    torch.set_num_threads(1)
    data = load_data(None)
    (x, y), (held, labels) = data.train, data.test
    torch.manual_seed(run.seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    opt, shuffle, lost = optimiser(run, model), torch.Generator().manual_seed(run.seed), 0
    began = process_time()
    for _epoch in range(EPOCHS):
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


def digital(seed: int) -> float:
    """Accuracy of K-FAC without a device."""
    data = load_data(None)
    (x, y), (held, labels) = data.train, data.test
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    opt = NaturalGradient(model, RATES["thermodynamic K-FAC"], DAMPING, solver=KroneckerFactored())
    shuffle = torch.Generator().manual_seed(seed)
    for _epoch in range(EPOCHS):
        for index in torch.randperm(len(y), generator=shuffle)[: len(y) // BATCH * BATCH].view(-1, BATCH):
            opt.zero_grad()
            opt.backward(model(x[index]), y[index])
            opt.step()
    with torch.no_grad():
        return float((model(held).argmax(1) == labels).float().mean())


def experiment(given: Any, path: Path) -> dict[str, Any]:
    """All trainings, by method and kind."""
    seeds = SEEDS[: given.seeds]
    kinds: dict[str, Sequence[Any]] = {
        "preset": given.presets.split(","),
        "bits": [int(part) for part in given.bits.split(",") if part],
        "mismatch": [float(part) for part in given.mismatches.split(",") if part],
        "temperature": [float(part) for part in given.temperatures.split(",") if part],
    }
    points = [(method, kind, value) for method in RATES for kind, values in kinds.items() for value in values]
    runs = [Trained(*point, seed) for point in points for seed in seeds]
    found = train_all(runs, None, unfinished(path), given.workers, trained)
    rows = [
        {"method": method, "kind": kind, "value": value, "runs": found[len(seeds) * i : len(seeds) * (i + 1)]}
        for i, (method, kind, value) in enumerate(points)
    ]
    return {"epochs": EPOCHS, "batch": BATCH, "K-FAC, digital": [digital(seed) for seed in seeds], "rows": rows}


def draw(results: dict[str, Any], path: Path) -> None:
    """A panel for presets, and one for each quantity."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.8), layout="constrained", sharey=True)
    for ax, kind in zip(axes, ("preset", "bits", "mismatch", "temperature"), strict=True):
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
        ax.set_xlabel({"preset": "", "temperature": "temperature κ₀"}.get(kind, kind))
        if kind in ("mismatch", "temperature"):
            ax.set_xscale("log")
    axes[0].set(ylabel="test accuracy (%)")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(
        __doc__,
        presets=",".join(PRESETS),
        bits=",".join(map(str, BITS)),
        mismatches=",".join(map(str, MISMATCHES)),
        temperatures=",".join(map(str, TEMPERATURES)),
    )
    path = given.results / "presets.json"
    if not given.draw:
        write(experiment(given, path), path)
    draw(read(path), given.pictures / "experiments-presets.png")


if __name__ == "__main__":
    main()
