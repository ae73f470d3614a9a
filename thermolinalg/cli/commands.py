"""The commands: what each reads, calls and writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import thermolinalg as tla
from thermolinalg.cli.options import (
    Assume,
    Force,
    Json,
    Limit,
    LongestLine,
    Matrix,
    Output,
    Raw,
    Rhs,
    Seed,
    Task,
    Tolerance,
    file_name,
)
from thermolinalg.cli.report import as_json, plain, print_report
from thermolinalg.files import LIMIT, LONGEST_LINE, save_array
from thermolinalg.hardware import A100

__all__ = ["app"]

NOT_CONVERGED = 3

COMPUTERS = {"model": None, "measured": "measured", "a100": A100}

RAW_RTOL = 1e-2
"""Residual of an uncorrected run that nobody named one for: a device alone takes 1/rtol² for it."""

QUICK = 100
"""Rows of each data set in a quick demonstration."""

app = typer.Typer(
    help="Linear algebra on simulated thermodynamic devices.",
    epilog=(
        "Exit codes: 0 done, 1 unusable file, 2 wrong usage, 3 tolerance not reached, 4 matrix singular, or not "
        "definite where it must be, 130 interrupted, 143 terminated."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        print(f"thermolinalg {tla.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """What comes before every command."""


@app.command()
def solve(
    matrix: Matrix,
    rhs: Rhs = None,
    rtol: Tolerance = None,
    rng: Seed = None,
    raw: Raw = False,
    maxiter: Annotated[int, typer.Option(min=1, help="Most device runs.")] = 100,
    assume: Assume = None,
    output: Output = None,
    force: Force = False,
    json: Json = False,
    limit: Limit = LIMIT,
    longest_line: LongestLine = LONGEST_LINE,
) -> int:
    """Solve A x = b."""
    task = Task(matrix, rhs, limit, longest_line, output, force)
    rtol = RAW_RTOL if raw and rtol is None else rtol
    options = {"rtol": rtol, "maxiter": maxiter, "refine": not raw, "assume_a": assume}
    x, info = tla.solve(task.A, task.load, **options, progress=_is_watched(), rng=rng, return_info=True)
    return _report("solve", task, x, info, json)


@app.command()
def inv(
    matrix: Matrix,
    rtol: Tolerance = None,
    rng: Seed = None,
    raw: Raw = False,
    assume: Assume = None,
    output: Output = None,
    force: Force = False,
    json: Json = False,
    limit: Limit = LIMIT,
    longest_line: LongestLine = LONGEST_LINE,
) -> int:
    """Invert A."""
    task = Task(matrix, None, limit, longest_line, output, force)
    options = {"rtol": rtol, "refine": not raw, "assume_a": assume}
    X, info = tla.inv(task.A, **options, progress=_is_watched(), rng=rng, return_info=True)
    return _report("inv", task, X, info, json)


@app.command()
def logdet(
    matrix: Matrix,
    atol: Annotated[float, typer.Option(min=1e-12, help="Standard error to reach.")] = 1e-2,
    rng: Seed = None,
    assume: Assume = None,
    json: Json = False,
    limit: Limit = LIMIT,
    longest_line: LongestLine = LONGEST_LINE,
) -> int:
    """Measure log det A of a positive definite A."""
    task = Task(matrix, None, limit, longest_line)
    options = {"atol": atol, "assume_a": assume}
    (_, value), info = tla.slogdet(task.A, **options, progress=_is_watched(), rng=rng, return_info=True)
    return _report("logdet", task, float(value), info, json)


@app.command()
def sample(
    matrix: Matrix,
    size: Annotated[int, typer.Option(min=1, help="How many samples.")] = 1,
    rhs: Annotated[
        Path | None,
        typer.Option("-b", "--rhs", parser=file_name, metavar="FILE", help="Load b: the mean is A⁻¹ b. Default: zero."),
    ] = None,
    rng: Seed = None,
    assume: Assume = None,
    output: Output = None,
    force: Force = False,
    json: Json = False,
    limit: Limit = LIMIT,
    longest_line: LongestLine = LONGEST_LINE,
) -> int:
    """Draw from the Gaussian N(A⁻¹ b, A⁻¹), one sample a row."""
    task = Task(matrix, rhs, limit, longest_line, output, force)
    options = {"b": task.b, "assume_a": assume}
    x, info = tla.sample(task.A, size, **options, progress=_is_watched(), rng=rng, return_info=True)
    return _report("sample", task, x, info, json)


@app.command()
def explain(
    matrix: Matrix,
    rhs: Rhs = None,
    assume: Assume = None,
    json: Json = False,
    limit: Limit = LIMIT,
    longest_line: LongestLine = LONGEST_LINE,
) -> int:
    """Say what A is, which engine would run, why, and at what cost."""
    task = Task(matrix, rhs, limit, longest_line)
    told = tla.explain(task.A, task.load, assume_a=assume)
    if json:
        print(as_json({"command": "explain", "matrix": _identity(task), "explanation": plain(told)}))
    else:
        print(told)
    return 0


@app.command()
def plan(
    matrix: Matrix,
    rhs: Rhs = None,
    rtol: Annotated[float, typer.Option(help="Relative residual to reach.")] = 1e-6,
    hardware: Annotated[str, typer.Option(help="Whose prices: paper, pcb or integrated.")] = "paper",
    computer: Annotated[
        str, typer.Option(help="Digital side: model (of this machine), measured (on it), or a100 (data sheet).")
    ] = "model",
    referee: Annotated[bool, typer.Option("--referee", help="Compare methods at equal work, too.")] = False,
    assume: Assume = None,
    json: Json = False,
    limit: Limit = LIMIT,
    longest_line: LongestLine = LONGEST_LINE,
) -> int:
    """Say whether a device would help: time, energy, bits and size beside digital ways."""
    if computer not in COMPUTERS:
        raise typer.BadParameter(f"--computer must be one of {', '.join(COMPUTERS)}")
    task = Task(matrix, rhs, limit, longest_line)
    options: dict[str, Any] = {"rtol": rtol, "hardware": hardware, "digital": COMPUTERS[computer], "assume_a": assume}
    options["referee"] = referee
    told = tla.plan(task.A, task.load, **options)
    if json:
        print(as_json({"command": "plan", "matrix": _identity(task), "plan": plain(told.to_dict())}))
    else:
        print(told)
    return 0


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option(parser=file_name, metavar="FILE", help="Where the picture goes (.png, .pdf, .svg).")
    ] = Path("demo.png"),
    rng: Annotated[int, typer.Option("--rng", "--seed", min=0, help="Seed.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Linear algebra alone, on a part of the data.")] = False,
    force: Force = False,
) -> int:
    """Work on real data: tables and pictures of linear algebra, and of a training race, in less than a minute."""
    from thermolinalg.demo import check_pictures, run, run_guests

    if quick:
        run(output=output, seed=rng, size=QUICK, force=force)
        return 0
    check_pictures(output, force=force)
    run(output=output, seed=rng, force=force)
    run_guests(output, rng, force=force)
    return 0


def _is_watched() -> bool:
    """Whether somebody may look at progress bars."""
    return sys.stderr.isatty()


def _identity(task: Task) -> dict[str, Any]:
    return {"path": str(task.path), "shape": list(task.A.shape), "dtype": str(task.A.dtype)}


def _report(command: str, task: Task, value: Any, info: tla.Info, json: bool) -> int:
    """Write the value, print the report, and say whether it is what was asked for."""
    if task.output is not None:
        save_array(task.output, value, force=task.force)
    if json:
        full = task.output is None
        report = {"command": command, "matrix": _identity(task), "value": plain(value, full=full)}
        if not full:
            report["output"] = str(task.output)
        print(as_json({**report, "info": plain(info, full=full)}))
    else:
        print_report(f"{command} {task.name}", value, info.get("standard_error"), info)
    return 0 if info.success else NOT_CONVERGED
