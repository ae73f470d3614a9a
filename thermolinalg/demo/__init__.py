"""The demonstration behind ``make demo``: solve, invert, take determinants and sample on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thermolinalg.demo.guests import check_picture, check_pictures, run_guests
from thermolinalg.demo.problems import problems
from thermolinalg.demo.tasks import LARGEST_INVERSE, TASKS, Row, Subject, measure

__all__ = ["Row", "check_pictures", "run", "run_guests"]


def run(
    output: str | Path | None = "demo.png", seed: int = 0, *, size: int | None = None, force: bool = False
) -> list[Row]:
    """Work through real problems on a simulated device, print one table and draw one picture.

    Parameters
    ----------
    output : str or Path, optional
        Where the picture goes (``.png``, ``.pdf`` or ``.svg``); None draws none.
    seed : int, optional
        Of everything random.
    size : int, optional
        Most rows taken of each data set, for a quick look; default: all.
    force : bool, optional
        Whether a picture that exists is replaced.

    Returns
    -------
    list of Row
        The lines of the table.

    Raises
    ------
    ImportError
        Scikit-learn, rich or Matplotlib is missing; the message names the extra to install.
    OSError
        The picture cannot be written, or exists; this is known before the work begins.
    ValueError
        An unknown ending of its name.

    See Also
    --------
    run_guests, check_pictures, Row : The demonstration and its parts.
    """
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError as error:
        raise ImportError("the demo needs rich; install it with: pip install 'thermolinalg[cli]'") from error
    if output is not None:
        check_picture(output, force=force)
        from thermolinalg.demo.picture import draw

    rng = np.random.default_rng(seed)
    subjects = [Subject(problem) for problem in problems(size)]
    work = [(subject, task) for subject in subjects for task in TASKS if _is_affordable(subject, task)]
    errors = Console(stderr=True)
    steps = track(work, "working on the device", console=errors, transient=True, disable=not errors.is_terminal)
    rows = [measure(subject, task, rng) for subject, task in steps]
    console = Console()
    console = Console(width=console.width if console.is_terminal else 120)
    console.print(_table(rows))
    console.print(_honest_lines(rows), highlight=False)
    if output is not None:
        draw([subject.problem for subject in subjects], Path(output), rng, force=force)
        console.print(f"Picture: {output}", highlight=False, markup=False)
    return rows


def _is_affordable(subject: Subject, task: str) -> bool:
    return task != "invert" or len(subject.problem.b) <= LARGEST_INVERSE


def _table(rows: list[Row]) -> Any:
    """One section for each problem."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title="Linear algebra on a simulated thermodynamic device, against SciPy",
        caption="error: relative distance from SciPy (log det: absolute; sample: mean energy from its law); "
        "ratio: error/s.e.",
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=SIMPLE_HEAD,
        collapse_padding=True,
    )
    table.add_column("problem, task", no_wrap=True)
    for name in ("d", "κ", "error", "± s.e.", "ratio", "time (τ)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("engine")
    for name in ("wall", "SciPy"):
        table.add_column(name, justify="right", no_wrap=True)
    for i, row in enumerate(rows):
        if i == 0 or row.problem != rows[i - 1].problem:
            table.add_section()
            table.add_row(row.problem, str(row.size), f"{row.condition:.2g}", style="bold")
        numbers = (f"{row.error:.1e}", f"{row.standard_error:.1e}", f"{row.ratio:.2f}", f"{row.device_time:.1e}")
        table.add_row(
            f"  {row.task}", "", "", *numbers, row.engine, _seconds(row.wall_time), _seconds(row.digital_time)
        )
    return table


def _honest_lines(rows: list[Row]) -> str:
    """What a digital solver takes for the same, and what a device would have to be to beat it."""
    simulated, digital = sum(row.wall_time for row in rows), sum(row.digital_time for row in rows)
    solves = [row for row in rows if row.task == "solve"]
    largest = max(solves, key=lambda row: row.size)
    tau = largest.digital_time / largest.device_time
    return (
        f"SciPy takes {_seconds(digital)} for the same tasks on this machine, to rounding; simulating the device takes "
        f"{_seconds(simulated)}.\n"
        f"Largest solve ({largest.problem}, d = {largest.size}): SciPy {_seconds(largest.digital_time)}, the device "
        f"{largest.device_time:.2g} τ.\n"
        f"Hardware would draw level with SciPy there at τ = {_seconds(tau)}, conversions and programming not counted."
    )


def _seconds(time: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if time >= size:
            return f"{time / size:.3g} {unit}"
    return f"{time / 1e-9:.3g} ns"
