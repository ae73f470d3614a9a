"""Demonstrations that other packages bring: entry points of the group ``thermolinalg.demo``."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

__all__ = ["GROUP", "run_guests"]

GROUP = "thermolinalg.demo"


def run_guests(output: str | Path | None = "demo.png", seed: int = 0) -> list[str]:
    """Run every demonstration that an installed package declares; one that lacks a package is skipped with a line.

    Parameters
    ----------
    output : str or Path, optional
        The demo's own picture. A guest called ``race`` draws its picture beside it, into ``demo-race.png`` for
        ``demo.png``; None draws none.
    seed : int, optional
        Of everything random.

    Returns
    -------
    list of str
        Names of the demonstrations that ran.

    Notes
    -----
    An entry point names a function of (path of the picture or None, seed). It prints what it has to say, and raises
    ImportError where a package is missing.
    """
    ran = []
    for guest in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        picture = None
        if output is not None:
            path = Path(output)
            picture = path.with_name(f"{path.stem}-{guest.name}{path.suffix}")
        try:
            guest.load()(picture, seed)
        except ImportError as error:
            print(f"Skipped the {guest.name}: {error} (pip install 'thermolinalg[all]' has everything)")
        else:
            ran.append(guest.name)
    return ran
