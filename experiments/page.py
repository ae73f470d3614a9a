"""Write docs/experiments.md from the results."""

from __future__ import annotations

from math import exp
from pathlib import Path
from statistics import mean, median
from typing import Any

from cells import percent, settings, table
from common import ROOT, options, read, write_text
from page_of_solvers import chosen, gains_of_control, options_of_gauss_newton, shared


def main() -> None:
    given = options(__doc__, output=ROOT / "docs" / "experiments.md")
    page = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    for name, (made, *files) in TABLES.items():
        place = "{{" + name + "}}"
        if place in page:
            page = page.replace(place, made(*(read(given.results / f"{file}.json") for file in files)))
    write_text(given.output, page)


def search(results: dict[str, Any]) -> str:
    """Every round's best setting and median one: what a careless choice costs."""
    rows = []
    for name, found in results["methods"].items():
        row = [name, *middle_and_best(found["first"])]
        for tried in found["finals"].values():
            winner = max(tried, key=lambda entry: mean(entry["accuracies"]))
            row += shown(winner)
        rows.append(row)
    sizes = next(iter(results["methods"].values()))["finals"]
    finals = [head for size in sizes for head in (f"best on {size}", "its settings")]
    return table(["method", "first: median", "first: best", *finals], rows)


def refinement(results: dict[str, Any]) -> str:
    """The winner before, and the one of the search near it."""
    rows = []
    for name, found in results["methods"].items():
        (tried,) = found["finals"].values()
        winner = max(tried, key=lambda entry: mean(entry["accuracies"]))
        rows.append([name, *(text for entry in (tried[0], winner) for text in shown(entry))])
    return table(["method", "before", "its settings", "best", "its settings"], rows)


def shown(entry: dict[str, Any]) -> list[str]:
    return [percent(mean(entry["accuracies"])), settings(entry["settings"])]


def middle_and_best(tried: list[dict[str, Any]]) -> list[str]:
    accuracies = sorted(mean(entry["accuracies"]) for entry in tried)
    return [percent(accuracies[len(accuracies) // 2]), percent(accuracies[-1])]


def comparison(results: dict[str, Any]) -> str:
    """Test accuracy, also after a quarter of the steps, last training loss and time of every method, best first."""
    rows = []
    for name, found in results["methods"].items():
        runs = found["runs"]
        seconds = f"{mean(run['seconds'][-1] for run in runs):.1f}"
        rows.append([name, accuracy(runs), percent(median(early(run) for run in runs)), middle_loss(runs), seconds])
    rows.sort(key=lambda row: row[1], reverse=True)
    head = ["method", "test accuracy", "after a quarter of the steps", "last training loss", "processor seconds"]
    return table(head, rows)


def early(run: dict[str, Any]) -> float:
    """Test accuracy after a quarter of the steps: looks are evenly spaced."""
    return run["accuracy"][max(0, len(run["accuracy"]) // 4 - 1)]


def curves(results: dict[str, Any]) -> str:
    """The ends of the curves against run time."""
    rows = []
    for label, found in results["curves"].items():
        runs = found["runs"]
        times = [f"{mean(run[name][-1] for run in runs):.1f}" for name in ("seconds", "modelled")]
        rows.append([label, settings(found["settings"]), accuracy(runs), middle_loss(runs), *times])
    head = ["", "settings", "test accuracy", "last training loss", "seconds, simulated", "modelled"]
    return table(head, rows)


def sweep(results: dict[str, Any]) -> str:
    """Last loss and test accuracy of every value."""
    rows = [[label, middle_loss(runs), accuracy(runs)] for label, runs in results["runs"].items()]
    return table(["", "last training loss", "test accuracy"], rows)


def accuracy(runs: list[dict[str, Any]]) -> str:
    """Median over seeds of the last test accuracy, smallest and largest."""
    last = [run["accuracy"][-1] for run in runs]
    return f"{percent(median(last))} ({percent(min(last))} to {percent(max(last))})"


def middle_loss(runs: list[dict[str, Any]]) -> str:
    """Of the last losses, or how many runs diverged."""
    losses = [run["loss"][-1] for run in runs]
    diverged = losses.count(None)
    return f"{diverged} of {len(losses)} diverged" if diverged else f"{median(losses):.3f}"


def steps(results: dict[str, Any]) -> str:
    """Milliseconds of a step, one row for each network and batch."""
    names = list(results["panels"][0]["rows"][0]["seconds"])
    rows = [
        [
            *(f"{row[key]}" for key in ("network", "parameters", "outputs", "batch")),
            *(f"{1e3 * row['seconds'][name]:.3g}" if name in row["seconds"] else "" for name in names),
        ]
        for panel in results["panels"]
        for row in panel["rows"]
    ]
    return table(["network", "parameters", "outputs", "batch", *names], rows)


def products(results: dict[str, Any]) -> str:
    """Relative error of a direction against the products with the curvature it took."""
    rows = [
        [f"{found['condition']:.3g}", name, *(f"{error:.2g}" for error in errors)]
        for found in results["by damping"].values()
        for name, errors in found["errors"].items()
    ]
    counts = next(iter(results["by damping"].values()))["products"]
    return table(["condition", "", *(f"{count}" for count in counts)], rows)


def costs(results: dict[str, Any]) -> str:
    """Calls, products and megabytes of a step of each method."""
    counts = ("calls of the model", "vectors carried backward", "products with R or its transpose")
    rows = [
        [
            label,
            name,
            *(f"{found[count]}" for count in counts),
            f"{found['bytes'] / 1e6:.3g}",
            f"{1e3 * found['seconds']:.3g}",
        ]
        for label, network in results["networks"].items()
        for name, found in network["methods"].items()
    ]
    return table(["network", "method", *counts, "megabytes", "milliseconds"], rows)


def bounds(results: dict[str, Any]) -> str:
    """The share of the way that is left, and the bound of the span of the rows, at some times."""
    rows = []
    for case in results["cases"]:
        slowest = case["damping"] + case["smallest"]
        shown = [place for place, time in enumerate(case["times"]) if place % 4 == 0 and time <= 1000]
        cells = [f"{percent(case['left'][i])}, {percent(exp(-slowest * case['times'][i]))}" for i in shown]
        rows.append([f"{case['steps']}", f"{case['damping']:g}", f"{case['smallest']:.2g}", *cells])
    times = [f"t = {case['times'][i]:.3g}" for i in shown]
    return table(["steps before", "λ", "smallest σ", *times], rows)


def tried(results: dict[str, Any]) -> str:
    """Every change: with the last weights and with the best average, on held-out images."""
    rows = []
    for method, entries in results["tried"].items():
        for entry in entries:
            last = entry["accuracies"]["accuracy"]
            name, value = max(
                ((name, value) for name, value in entry["accuracies"].items() if name != "accuracy"),
                key=lambda item: item[1],
            )
            rows.append([method, entry["label"], percent(last), f"{percent(value)} ({name.split()[-1]})"])
    return table(["method", "change", "last weights", "best average (its memory)"], rows)


def ended(extended: dict[str, Any], *comparisons: dict[str, Any]) -> str:
    """Test accuracies at the end of the best changes and of what was tried after them, with two averages of weights."""
    found = [(method, entry["label"], entry["runs"]) for method, entry in extended["finals"].items()]
    for comparison_of, label in zip(
        comparisons, ("rate warms up", "curvature of four batches, rate warms up"), strict=True
    ):
        found += [(method, label, entry["runs"]) for method, entry in comparison_of["methods"].items()]
    rows = []
    for method, label, runs in found:
        averages = [percent(median(run[f"accuracy, memory {memory}"][-1] for run in runs)) for memory in (0.98, 0.995)]
        seconds = f"{mean(run['seconds'][-1] for run in runs):.0f}"
        rows.append([method, label, f"{len(runs)}", accuracy(runs), *averages, seconds])
    head = ["method", "change", "seeds", "last weights", "memory 0.98", "memory 0.995", "processor seconds"]
    return table(head, rows)


def fitted(results: dict[str, Any]) -> str:
    """Test losses of the regression, best first."""
    rows = []
    for name, found in results["methods"].items():
        losses = [run["test_loss"][-1] for run in found["runs"]]
        early_loss = median(run["test_loss"][0] for run in found["runs"])
        seconds = f"{mean(run['seconds'][-1] for run in found['runs']):.1f}"
        shown = f"{median(losses):.4f} ({min(losses):.4f} to {max(losses):.4f})"
        rows.append([name, settings(found["settings"]), shown, f"{early_loss:.4f}", seconds])
    rows.sort(key=lambda row: row[2])
    return table(["method", "settings", "test loss", "after a tenth of the steps", "processor seconds"], rows)


def gains(results: dict[str, Any]) -> str:
    """Test losses of TNGD and Adam by the size of the batch, and what the first gains."""
    rows = []
    for row in results["gains"]:
        ours, adam = (row[name] for name in ("TNGD, short", "Adam"))
        here, there = (median(found["test losses"]) for found in (ours, adam))
        factors = f"{ours['factor']:g}, {adam['factor']:g}"
        rows.append([f"{row['batch']}", f"{here:.4f}", f"{there:.4f}", percent(1 - here / there), factors])
    return table(["batch", "TNGD, short", "Adam", "gain", "factors of the rate"], rows)


def cosines(results: dict[str, Any]) -> str:
    """Cosines with the directions of all rows: gradient, natural gradient."""
    sizes = sorted({row["batch"] for row in results["cosines"]})
    rows = []
    for step in sorted({row["step"] for row in results["cosines"]}):
        for name in ("gradient", "natural gradient"):
            found = {row["batch"]: row[name] for row in results["cosines"] if row["step"] == step}
            rows.append([f"{step}", name, *(f"{found[size]:.2f}" for size in sizes)])
    return table(["steps before", "", *(f"b = {size}" for size in sizes)], rows)


def answers(results: dict[str, Any]) -> str:
    """Exact match and F1 of the adapters, of all weights, and of the most frequent span."""
    rows = []
    for name, found in results["methods"].items():
        runs = found["runs"]
        f1 = [run["f1"][-1] for run in runs]
        rows.append(
            [
                name,
                settings(found["settings"]),
                f"{median(run['exact'][-1] for run in runs):.1f}",
                f"{median(f1):.1f} ({min(f1):.1f} to {max(f1):.1f})",
                f"{median(run['test_loss'][-1] for run in runs):.3f}",
                f"{mean(run['seconds'][-1] for run in runs):.0f}",
            ]
        )
    full = results["all weights"]
    (run,) = full["runs"]
    rows.append(
        [
            "all weights, Adam",
            settings(full["settings"]),
            f"{run['exact'][-1]:.1f}",
            f"{run['f1'][-1]:.1f}",
            f"{run['test_loss'][-1]:.3f}",
            f"{run['seconds'][-1]:.0f}",
        ]
    )
    for name in ("untrained reader", "most frequent span"):
        least = results[name]
        rows.append([name, "", f"{least['exact']:.1f}", f"{least['f1']:.1f}", "", ""])
    return table(["", "settings", "exact match", "F1", "test loss", "processor seconds"], rows)


SWEEPS = ("time", "delay", "late", "noise", "reset", "plateau")

TABLES: dict[str, tuple[Any, ...]] = {
    # place on the page: function, results
    "search": (search, "tune"),
    "refined": (refinement, "refine"),
    "part": (comparison, "compare-10k"),
    "whole": (comparison, "compare-60k"),
    "first": (comparison, "compare-60k-first"),
    "tried": (tried, "extend"),
    "ended": (ended, "extend", "compare-60k-warm", "compare-60k-curvature"),
    "runtime": (curves, "runtime"),
    **{name: (sweep, f"sweep-{name}") for name in SWEEPS},
    "steps": (steps, "step-time"),
    "cost": (costs, "cost"),
    "products": (products, "products"),
    "bound": (bounds, "bound"),
    "regression": (fitted, "regression"),
    "gains": (gains, "regression"),
    "cosines": (cosines, "regression"),
    "answers": (answers, "question-answering"),
    "gauss-newton": (options_of_gauss_newton, "gauss-newton"),
    "control": (gains_of_control, "gauss-newton"),
    "shared": (shared, "shared-coefficients"),
    "chosen": (chosen, "schedule"),
}
"""What stands at each place of the page, and from which results."""


if __name__ == "__main__":
    main()
