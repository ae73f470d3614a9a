"""What all experiments share: the command line, and the writing of results and pictures."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from thermolinalg.files import replacing

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SEEDS = (0, 1, 2, 3, 4)

torch.set_num_threads(1)


def options(description: str | None, **extra: Any) -> argparse.Namespace:
    """Command line of an experiment: where data, results and pictures are, how many seeds, a quick look."""
    parser = argparse.ArgumentParser(description=description)
    default = os.environ.get("THERMOLINALG_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with MNIST in it; without: digits")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for numbers")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "images", help="folder for pictures")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="number of seeds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="runs at a time, one core each")
    for name, value in extra.items():
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action="store_true", help="see above")
        else:
            parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default: {value}")
    parser.add_argument("--draw", action="store_true", help="only draw again, from the results")
    return parser.parse_args()


def write(results: dict[str, Any], path: Path) -> None:
    """Results as JSON, with the machine they come from; what is not finite becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "cores used by a run": 1,
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    write_text(path, json.dumps(_plain({"machine": machine} | results), indent=1) + "\n")
    unfinished(path).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """The whole file in place of the one that was there, or an error and that one."""
    with replacing(path, force=True) as stream:
        stream.write(text.encode())


def unfinished(path: Path) -> Path:
    """Where the runs of an experiment are kept until all of it is written to `path`."""
    return path.with_suffix(".unfinished")


def read(path: Path) -> dict[str, Any]:
    """Results written before."""
    return json.loads(path.read_text(encoding="utf-8"))


def added(results: dict[str, Any], path: Path, to: str) -> dict[str, Any]:
    """New results beside those that the file has already, in the part called `to`; the rest must be the same."""
    earlier = read(path)
    for name in results.keys() - {to}:
        if earlier.get(name) != _plain(results[name]):
            raise ValueError(f"{path.name} has another {name!r}: {earlier.get(name)!r}, not {results[name]!r}")
    return earlier | {to: earlier[to] | results[to]}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and its seconds by the clock."""
    began = perf_counter()
    value = function()
    return value, perf_counter() - began


def least_seconds(function: Callable[[], Any], repeats: int = 3) -> float:
    """Of a few calls."""
    return min(timed(function)[1] for _ in range(repeats))


def pyplot() -> Any:
    """Matplotlib without a window."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3})
    return plt


def shaded(ax: Any, runs: Sequence[dict[str, Any]], x: str, y: str, label: str, color: Any, style: str = "-") -> None:
    """Median over seeds as a line, smallest to largest as a band."""
    values = np.array([run[y] for run in runs], dtype=float)
    along = np.mean([run[x] for run in runs], axis=0)
    ax.plot(
        along, np.median(values, axis=0), style, color=color, label=label, marker="o", markersize=2.5, linewidth=1.4
    )
    ax.fill_between(along, values.min(axis=0), values.max(axis=0), color=color, alpha=0.18, linewidth=0)


def save(figure: Any, path: Path) -> None:
    """The picture as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as stream:
        figure.savefig(stream, format=path.suffix[1:], dpi=130)
