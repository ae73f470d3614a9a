"""The demonstration behind ``make demo``: solve, invert, take determinants and sample on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thermolinalg.demo.problems import problems
from thermolinalg.demo.tasks import LARGEST_INVERSE, TASKS, Row, Subject, measure

__all__ = ["Row", "run"]


def run(output: str | Path | None = "demo.png", seed: int = 0, *, size: int | None = None) -> list[Row]:
    """Work through real problems on a simulated device, print one table and draw one picture.

    Parameters
    ----------
    output : str or Path, optional
        Where the picture goes (PNG, or any ending Matplotlib knows); None draws none.
    seed : int, optional
        Of everything random.
    size : int, optional
        Most rows taken of each data set, for a quick look; default: all.

    Returns
    -------
    list of Row
        The lines of the table.

    Raises
    ------
    ImportError
        Scikit-learn, rich or Matplotlib is missing; the message names the extra to install.
    OSError
        The picture cannot be written.
    """
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError as error:
        raise ImportError("the demo needs rich; install it with: pip install 'thermolinalg[cli]'") from error
    if output is not None:
        from thermolinalg.demo.picture import draw

    rng = np.random.default_rng(seed)
    subjects = [Subject(problem) for problem in problems(size)]
    work = [(subject, task) for subject in subjects for task in TASKS if _is_affordable(subject, task)]
    errors = Console(stderr=True)
    steps = track(work, "working on the device", console=errors, transient=True, disable=not errors.is_terminal)
    rows = [measure(subject, task, rng) for subject, task in steps]
    console = Console()
    console = Console(width=max(console.width, 118) if not console.is_terminal else None)
    console.print(_table(rows))
    console.print(_honest_lines(rows), highlight=False)
    if output is not None:
        draw([subject.problem for subject in subjects], Path(output), rng)
        console.print(f"Picture: {output}", highlight=False)
    return rows


def _is_affordable(subject: Subject, task: str) -> bool:
    return task != "invert" or len(subject.problem.b) <= LARGEST_INVERSE


def _table(rows: list[Row]) -> Any:
    """One section for each problem."""
    from rich.table import Table

    table = Table(
        title="Linear algebra on a simulated thermodynamic device, against SciPy",
        caption="error: relative distance from SciPy (log det: absolute; sample: of the mean energy from its law)",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("problem")
    for name in ("d", "κ"):
        table.add_column(name, justify="right")
    table.add_column("task")
    for name in ("error", "± s.e.", "error/s.e.", "device time (τ)"):
        table.add_column(name, justify="right")
    table.add_column("engine", overflow="fold")
    for name in ("wall", "SciPy"):
        table.add_column(name, justify="right")
    previous = None
    for row in rows:
        if row.problem != previous:
            table.add_section()
        first = row.problem != previous
        previous = row.problem
        table.add_row(
            row.problem if first else "",
            f"{row.size}" if first else "",
            f"{row.condition:.3g}" if first else "",
            row.task,
            f"{row.error:.1e}",
            f"{row.standard_error:.1e}",
            f"{row.ratio:.2f}",
            f"{row.device_time:.2g}",
            row.engine,
            _seconds(row.wall_time),
            _seconds(row.digital_time),
        )
    return table


def _honest_lines(rows: list[Row]) -> str:
    """What a digital solver takes for the same, and what a device would have to be to beat it."""
    simulated, digital = sum(row.wall_time for row in rows), sum(row.digital_time for row in rows)
    solves = [row for row in rows if row.task == "solve"]
    largest = max(solves, key=lambda row: row.size)
    tau = largest.digital_time / largest.device_time
    return (
        f"SciPy takes {_seconds(digital)} for the same tasks on this machine, to rounding; simulating the device took "
        f"{_seconds(simulated)}.\n"
        f"Largest solve ({largest.problem}, d = {largest.size}): SciPy {_seconds(largest.digital_time)}, the device "
        f"{largest.device_time:.2g} τ. Hardware would draw level at τ = {_seconds(tau)}."
    )


def _seconds(time: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if time >= size:
            return f"{time / size:.3g} {unit}"
    return f"{time / 1e-9:.3g} ns"
