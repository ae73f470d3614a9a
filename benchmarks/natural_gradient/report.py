"""The tables of a run, for the terminal and the page: every number comes from the results."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import duration, short, table
from benchmarks.natural_gradient import parts

Results = dict[str, Any]

ABOUT = """\
# Benchmarks: natural gradients

Made by `make bench-ngd` in one run, from `benchmarks/natural_gradient/results.json`; no number on this page is copied
by hand.

**What is compared.** One training step, gradient and update included, in float32 on {threads} thread of {processor}.
The setting is the paper's (arXiv:2405.13817): a batch of {batch} with {outputs} classes, an analog time of {time:g} τ,
and for time stepping a step of {time_step:g} τ, {steps} products with the Gauss–Newton matrix. The network is ours,
two convolutions and two dense layers with {parameters:,} parameters, since the paper gives no widths. Times are
medians of {rounds} rounds in which everyone takes a turn, after calls that warm up; ratios are of CPU times.

**What it means.** The curvature of a batch has rank b (d_z − 1) at most, so that a run of the device is a function of
a small Gram matrix. For a single run a few dozen products with it give the law, where time stepping needs a product
with the whole curvature in each step. An Adam step is one forward and one backward pass, which every step here makes
too. The exact step sends d_z − 1 columns backward besides, no further than to the first pooling, and forms the rows of
the convolutions, their Gram matrix and the function of it. What stands between this step and one of Adam, the parts
below show. Natural gradients pay only where they save as many steps as they cost.

Rows marked * ran fewer products, and their time is scaled up: the cost of time stepping is linear in them.
"""

SCALING = """\
The networks are dense, with three layers. *Slope* is the exponent between the last two columns; the paper's
complexities stand beside it. For TNGD they count the digital work beside a device; a simulation adds the b³ d_z³ of
functions of the Gram matrix, which takes the place of t and hides the rest where N is small or b d_z is large."""

MEMORY = """\
Peak resident memory that a step adds to a process that holds model and batch already, each measured in a process of
its own. The rows J would take r N numbers; what is held instead are inputs and cotangents of the layers,
b (width) (d_z − 1) numbers, the r² of the Gram matrix and a few vectors of N."""


def page(results: Results) -> str:
    """Everything as one Markdown page."""
    machine, paper, settings = results["machine"], results["paper"], results["settings"]
    about = ABOUT.format(
        **{**settings, **paper, "threads": machine["threads"], "processor": machine["processor"]}
        | {"steps": round(settings["time"] / settings["time_step"])}
    )
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    apart = [parts.section(json.loads(parts.RESULTS.read_text(encoding="utf-8")))] if parts.RESULTS.exists() else []
    return "\n".join([about, tables(results), *apart, f"Python {machine['python']}; {versions}.\n"])


def tables(results: Results) -> str:
    """All tables, each under its heading."""
    scaling = results["scaling"]
    sections = [
        ("Targets", _targets(results["targets"])),
        ("A step in the paper's setting", _steps(results["paper"]["steps"])),
        ("Parts of the exact step, and floors", _floors(results["paper"]["floors"], results["paper"]["rows"])),
        ("Is it the same direction?", _agreement(results["agreement"])),
        (
            "Time against the number of parameters N (b = 64, d_z = 10)",
            f"{SCALING}\n\n" + _scaling(scaling["parameters"], "parameters", results["complexity"]),
        ),
        ("Time against the batch b (N ≈ 1e5, d_z = 10)", _scaling(scaling["batch"], "batch", results["complexity"])),
        (
            "Time against the outputs d_z (N ≈ 1e5, b = 4)",
            _scaling(scaling["outputs"], "outputs", results["complexity"]),
        ),
        ("Memory against the number of parameters N (b = 64, d_z = 10)", f"{MEMORY}\n\n{_memory(results['memory'])}"),
    ]
    return "\n".join(f"## {title}\n\n{text}\n" for title, text in sections)


def _targets(targets: Sequence[Results]) -> str:
    rows = ([t["name"], t["bound"], short(t["measured"]), "yes" if t["met"] else "no"] for t in targets)
    return table(["an exact step is …", "bound", "measured", "met"], rows)


def _steps(steps: dict[str, Results]) -> str:
    adam, exact = steps["Adam"]["cpu_s"], steps["TNGD, exact law"]["cpu_s"]
    rows = (
        [
            name + ("" if step["share"] == 1 else " *"),
            duration(step["cpu_s"]),
            duration(step["wall_s"]),
            short(step["cpu_s"] / adam),
            short(step["cpu_s"] / exact),
        ]
        for name, step in steps.items()
    )
    return table(["step", "CPU time", "wall time", "in Adam steps", "in exact TNGD steps"], rows)


def _floors(floors: dict[str, Results], rows: int) -> str:
    body = ([name, duration(times["cpu_s"]), duration(times["wall_s"])] for name, times in floors.items())
    return f"R has {rows} rows.\n\n" + table(["part", "CPU time", "wall time"], body)


def _agreement(found: Results) -> str:
    pairs = table(["first direction", "difference / exact"], ([k, f"{v:.1e}"] for k, v in found["pairs"].items()))
    return f"{pairs}\n\nAll steps of this run together took {duration(found['whole_run_cpu_s'])} of CPU time."


def _scaling(points: Sequence[Results], along: str, complexity: dict[str, str]) -> str:
    names = list(dict.fromkeys(name for point in points for name in point["steps"]))
    header = ["step", *(f"{point[along]:,}" for point in points), "slope", "complexity"]
    rows = ([_starred(points, name), *_times(points, along, name), complexity[name]] for name in names)
    ranks = ["rows r", *(f"{point['rows']:,}" for point in points), "", ""]
    return table(header, [*rows, ranks])


def _starred(points: Sequence[Results], name: str) -> str:
    return name + ("" if all(point["steps"].get(name, {"share": 1})["share"] == 1 for point in points) else " *")


def _times(points: Sequence[Results], along: str, name: str) -> list[str]:
    cells = [duration(point["steps"][name]["cpu_s"]) if name in point["steps"] else "" for point in points]
    exponent = slope(points, along, name)
    return [*cells, "" if exponent is None else f"{exponent:.2f}"]


def slope(points: Sequence[Results], along: str, name: str) -> float | None:
    """Exponent of a method's time along an axis, from its last two points; None where it has fewer."""
    measured = [(point[along], point["steps"][name]["cpu_s"]) for point in points if name in point["steps"]][-2:]
    if len(measured) < 2:
        return None
    (x0, t0), (x1, t1) = measured
    return math.log(t1 / t0) / math.log(x1 / x0)


def _memory(points: Sequence[Results]) -> str:
    names = list(dict.fromkeys(name for point in points for name in point["bytes"]))
    rows = [
        [name, *(_size(point["bytes"][name]) if name in point["bytes"] else "not run" for point in points)]
        for name in names
    ]
    numbers = [
        ["J alone, if stored (computed)", *(_size(point["stored_bytes"]) for point in points)],
        ["parameters alone (computed)", *(_size(4 * point["parameters"]) for point in points)],
    ]
    return table(["step", *(f"{point['parameters']:,}" for point in points)], [*rows, *numbers])


def _size(count: float) -> str:
    return f"{short(count / 1e6)} MB"
