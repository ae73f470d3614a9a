"""Tables of the experiments about solvers, for the page of experiments."""

from __future__ import annotations

import math
from collections import Counter
from statistics import mean, median
from typing import Any

import numpy as np
from cells import percent, settings, spread, table
from control import PLANTS
from scipy.stats import rankdata


def options_of_gauss_newton(results: dict[str, Any]) -> str:
    """Test losses of every regression, places among the methods, and seconds."""
    tasks = [task for task in results["tasks"] if task not in PLANTS]
    return _errors(results, tasks, [*tasks, "mean place", "seconds"])


def gains_of_control(results: dict[str, Any]) -> str:
    """Errors of the gains, with places and seconds."""
    tasks = [task for task in results["tasks"] if task in PLANTS]
    return _errors(results, tasks, [*tasks, "mean place", "seconds"])


def _errors(results: dict[str, Any], tasks: list[str], head: list[str]) -> str:
    """One row for each method, best mean place first; what the table shows alike shares a place."""
    methods = list(results["tasks"][tasks[0]])
    lasts = {task: {name: _lasts(results["tasks"][task][name]) for name in methods} for task in tasks}
    shown = [[float(f"{median(lasts[task][name]):.3g}") for name in methods] for task in tasks]
    places = dict(zip(methods, np.mean([rankdata(medians) for medians in shown], axis=0), strict=True))
    rows = []
    for name in sorted(methods, key=places.__getitem__):
        seconds = mean(run["seconds"][-1] for task in tasks for run in results["tasks"][task][name]["runs"])
        errors = [spread(lasts[task][name]) for task in tasks]
        rows.append([name, *errors, f"{places[name]:.1f}", f"{seconds:.2f}"])
    return table(["method", *head], rows)


def _lasts(found: dict[str, Any]) -> list[float]:
    """The errors with which runs ended, infinite where they diverged."""
    return [math.inf if run["error"][-1] is None else run["error"][-1] for run in found["runs"]]


def shared(results: dict[str, Any]) -> str:
    """Test accuracies from the same images and in the same time, best first."""
    rows = []
    for name, found in results["methods"].items():
        cells = [name, settings(found["settings"])]
        for runs in (found["runs"], found["same time"]):
            last = [run["accuracy"][-1] for run in runs]
            cells += [f"{percent(median(last))} ({percent(min(last))} to {percent(max(last))})"]
            cells += [f"{mean(run['seconds'][-1] for run in runs):.1f}"]
        rows.append([*cells[:4], f"{found['epochs in the same time']}", *cells[4:]])
    rows.sort(key=lambda row: row[2], reverse=True)
    head = ["method", "settings", "same images: test accuracy", "seconds"]
    return table([*head, "same time: epochs", "test accuracy", "seconds"], rows)


def chosen(results: dict[str, Any]) -> str:
    """By damping: conditions, choices, what a step took in each way, and test losses."""
    rows = []
    for row in results["rows"]:
        ways = row["ways"]
        runs = ways["schedule"]["runs"]
        conditions = [condition for run in runs for condition in run["condition"]]
        ways_taken = Counter(way for run in runs for way in run["way"])
        device = row["with a device"]["chosen"]
        rows.append(
            [
                f"{row['damping']:g}",
                f"{median(conditions):.3g} ({min(conditions):.3g} to {max(conditions):.3g})",
                f"{ways_taken['Woodbury']}, {ways_taken['ConjugateGradient']}",
                f"{median(count for run in ways['conjugate gradients']['runs'] for count in run['iterations']):.0f}",
                ", ".join(f"{_milliseconds(entry['runs']):.0f}" for entry in ways.values()),
                ", ".join(f"{median(run['test_loss'] for run in entry['runs']):.3f}" for entry in ways.values()),
                ", ".join(f"{percent(median(run['accuracy'] for run in entry['runs']))}" for entry in ways.values()),
                f"{device.get('Thermodynamic', 0)} of {sum(device.values())}",
            ]
        )
    ways_of = "Cholesky, CG, schedule"
    head = ["λ", "condition at most", "chosen: Cholesky, CG", "iterations of CG", f"milliseconds: {ways_of}"]
    return table([*head, "test loss", "test accuracy", "a device would be chosen"], rows)


def _milliseconds(runs: list[dict[str, Any]]) -> float:
    """Of a step, mean over all of them."""
    return 1e3 * mean(seconds for run in runs for seconds in run["seconds"])
