"""The commands: what each reads, calls and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import thermolinalg as tla
from thermolinalg.cli.files import WRITABLE, read_matrix, read_vectors, write_array
from thermolinalg.cli.progress import watched_device
from thermolinalg.cli.report import as_json, plain, print_report

__all__ = ["app"]

NOT_CONVERGED = 3

RAW_RTOL = 1e-2
"""Residual of an uncorrected run that nobody named one for: a device alone takes 1/rtol² for it."""

app = typer.Typer(
    help="Linear algebra on simulated thermodynamic devices.",
    epilog=(
        "Exit codes: 0 done, 1 unusable file, 2 wrong usage, 3 tolerance not reached, 4 matrix singular, or not "
        "definite where it must be, 130 interrupted."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _writable(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in WRITABLE:
        raise typer.BadParameter(f"the name has to end in {', '.join(WRITABLE)}")
    return path


Matrix = Annotated[Path, typer.Argument(help="Matrix Market (.mtx, .mtx.gz), .npy or .npz.", show_default=False)]
Rhs = Annotated[Path | None, typer.Option("-b", "--rhs", help="Right-hand side: as MATRIX, or .txt. Default: ones.")]
Tolerance = Annotated[float | None, typer.Option(min=0, help="Relative residual to reach. Default: 1e-10, raw 0.01.")]
Seed = Annotated[int | None, typer.Option("--rng", min=0, help="Seed. Default: fresh entropy.")]
Raw = Annotated[bool, typer.Option("--raw", help="Return what one device run gives, with its error bar.")]
Output = Annotated[Path | None, typer.Option(callback=_writable, help="Write the value to FILE (.npy, .mtx, .txt).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Assume = Annotated[str | None, typer.Option(help="What A is: pos, sym, her, gen, stable, …")]


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
    json: Json = False,
) -> int:
    """Solve A x = b."""
    A = read_matrix(matrix)
    b = _load(A, rhs)
    with watched_device(f"solving {matrix.name}", None if raw else rtol or 1e-10, _drift(assume)) as device:
        rtol = RAW_RTOL if raw and rtol is None else rtol
        options = {"rtol": rtol, "maxiter": maxiter, "refine": not raw, "assume_a": assume}
        x, info = tla.solve(A, b, **options, rng=rng, device=device, return_info=True)
    return _report("solve", matrix, A, x, info, output, json)


@app.command()
def inv(
    matrix: Matrix,
    rtol: Tolerance = None,
    rng: Seed = None,
    raw: Raw = False,
    assume: Assume = None,
    output: Output = None,
    json: Json = False,
) -> int:
    """Invert A."""
    A = read_matrix(matrix)
    with watched_device(f"inverting {matrix.name}", None if raw else rtol or 1e-10, _drift(assume)) as device:
        options = {"rtol": rtol, "refine": not raw, "assume_a": assume}
        X, info = tla.inv(A, **options, rng=rng, device=device, return_info=True)
    return _report("inv", matrix, A, X, info, output, json)


@app.command()
def logdet(
    matrix: Matrix,
    atol: Annotated[float, typer.Option(min=1e-12, help="Standard error to reach.")] = 1e-2,
    rng: Seed = None,
    assume: Assume = None,
    json: Json = False,
) -> int:
    """Measure log det A of a positive definite A."""
    A = read_matrix(matrix)
    with watched_device(f"driving {matrix.name}", None) as device:
        (_, value), info = tla.slogdet(A, atol=atol, assume_a=assume, rng=rng, device=device, return_info=True)
    return _report("logdet", matrix, A, float(value), info, None, json)


@app.command()
def sample(
    matrix: Matrix,
    size: Annotated[int, typer.Option(min=1, help="How many samples.")] = 1,
    rhs: Annotated[Path | None, typer.Option("-b", "--rhs", help="Load b: the mean is A⁻¹ b. Default: zero.")] = None,
    rng: Seed = None,
    assume: Assume = None,
    output: Output = None,
    json: Json = False,
) -> int:
    """Draw from the Gaussian N(A⁻¹ b, A⁻¹), one sample a row."""
    A = read_matrix(matrix)
    b = None if rhs is None else read_vectors(rhs)
    with watched_device(f"sampling {matrix.name}", None) as device:
        x, info = tla.sample(A, size, b=b, assume_a=assume, rng=rng, device=device, return_info=True)
    return _report("sample", matrix, A, x, info, output, json)


@app.command()
def explain(matrix: Matrix, rhs: Rhs = None, assume: Assume = None, json: Json = False) -> int:
    """Say what A is, which engine would run, why, and at what cost."""
    A = read_matrix(matrix)
    told = tla.explain(A, _load(A, rhs), assume_a=assume)
    if json:
        print(as_json({"command": "explain", "matrix": _identity(matrix, A), "explanation": plain(told)}))
    else:
        print(told)
    return 0


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("demo.png"),
    rng: Annotated[int, typer.Option("--rng", "--seed", min=0, help="Seed.")] = 0,
) -> int:
    """Work on real data: tables and pictures of linear algebra, and of a training race, in less than a minute."""
    from thermolinalg.demo import run, run_guests

    run(output=output, seed=rng)
    run_guests(output, rng)
    return 0


def _drift(assume: str | None) -> tla.GeneralDevice | None:
    """The device of a matrix that is to be the drift itself; None leaves the default."""
    return tla.GeneralDevice() if assume == "stable" else None


def _load(A: Any, rhs: Path | None) -> np.ndarray:
    return np.ones(A.shape[0]) if rhs is None else read_vectors(rhs)


def _identity(path: Path, A: Any) -> dict[str, Any]:
    return {"path": str(path), "shape": list(A.shape), "dtype": str(A.dtype)}


def _report(command: str, path: Path, A: Any, value: Any, info: tla.Info, output: Path | None, json: bool) -> int:
    """Write the value, print the report, and say whether it is what was asked for."""
    if output is not None:
        write_array(output, value)
    if json:
        full = output is None
        report = {"command": command, "matrix": _identity(path, A), "value": plain(value, full=full)}
        if not full:
            report["output"] = str(output)
        print(as_json({**report, "info": plain(info, full=full)}))
    else:
        print_report(f"{command} {path.name}", value, info.get("standard_error"), info)
    return 0 if info.success else NOT_CONVERGED
