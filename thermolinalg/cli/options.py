"""Options that several commands share, and what they are read as."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from thermolinalg.cli import printable
from thermolinalg.files import LIMIT, LONGEST_LINE, WRITABLE, check_output, load_matrix, load_vectors

__all__ = [
    "Assume",
    "Force",
    "Json",
    "Limit",
    "LongestLine",
    "Matrix",
    "Output",
    "Raw",
    "Rhs",
    "Seed",
    "Task",
    "Tolerance",
    "file_name",
]


def file_name(text: str) -> Path:
    """A file as the user names it; shells leave a ~ alone where it does not begin a word."""
    return Path(text).expanduser()


def _writable(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in WRITABLE:
        raise typer.BadParameter(f"the name has to end in {', '.join(WRITABLE)}")
    return path


def _count(text: str) -> int:
    """A whole number, 8e9 too."""
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no number") from None
    if value < 1:
        raise typer.BadParameter("it has to be positive")
    return value


Matrix = Annotated[
    Path,
    typer.Argument(
        parser=file_name,
        metavar="MATRIX",
        help="Matrix Market (.mtx, .mtx.gz, .mtx.bz2), .npy, .npz, or numbers in lines (.txt, .csv).",
        show_default=False,
    ),
]
Rhs = Annotated[
    Path | None,
    typer.Option("-b", "--rhs", parser=file_name, metavar="FILE", help="Right-hand side, as MATRIX. Default: ones."),
]
Tolerance = Annotated[float | None, typer.Option(min=0, help="Relative residual to reach. Default: 1e-10, raw 0.01.")]
Seed = Annotated[int | None, typer.Option("--rng", min=0, help="Seed. Default: fresh entropy.")]
Raw = Annotated[bool, typer.Option("--raw", help="Return what one device run gives, with its error bar.")]
Output = Annotated[
    Path | None,
    typer.Option(
        parser=file_name,
        metavar="FILE",
        callback=_writable,
        help="Write the value to FILE (.npy, .mtx, .txt, .csv), which is whole or not there at all.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output where it exists; never an input.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Assume = Annotated[str | None, typer.Option(help="What A is: pos, sym, her, gen, stable, …")]
Limit = Annotated[
    int,
    typer.Option(parser=_count, metavar="BYTES", help="Most bytes that a file may hold unpacked, and an array take."),
]
LongestLine = Annotated[
    int, typer.Option(parser=_count, metavar="CHARACTERS", help="Most characters of a line of a file.")
]


class Task:
    """The files of one command: the output is checked first, then the inputs are read.

    Parameters
    ----------
    matrix, rhs : Path
        What is read; `rhs` may be None.
    limit, longest_line : int
        Bounds of what is read.
    output : Path, optional
        Where the value goes.
    force : bool, optional
        Whether it may replace another file.
    """

    def __init__(
        self,
        matrix: Path,
        rhs: Path | None = None,
        limit: int = LIMIT,
        longest_line: int = LONGEST_LINE,
        output: Path | None = None,
        force: bool = False,
    ) -> None:
        self.path, self.output, self.force = matrix, output, force
        if output is not None:
            check_output(output, inputs=[matrix, *([] if rhs is None else [rhs])], force=force)
        self.A: Any = load_matrix(matrix, limit=limit, longest_line=longest_line)
        self.b = None if rhs is None else load_vectors(rhs, limit=limit, longest_line=longest_line)

    @property
    def name(self) -> str:
        """Of the matrix, as it may be shown."""
        return printable(self.path.name)

    @property
    def load(self) -> np.ndarray:
        """The right-hand side, ones where none was given."""
        return np.ones(self.A.shape[0]) if self.b is None else self.b
