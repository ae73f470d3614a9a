"""Demonstrations that other packages bring: entry points of the group ``thermolinalg.demo``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from thermolinalg.files import check_output

__all__ = ["GROUP", "check_picture", "check_pictures", "run_guests"]

GROUP = "thermolinalg.demo"
PICTURES = (".png", ".pdf", ".svg")


def check_pictures(output: str | Path, *, force: bool = False) -> None:
    """Refuse a picture that could not be written, the demo's own or a guest's, before anything runs.

    Parameters
    ----------
    output : str or Path
        The demo's own picture.
    force : bool, optional
        Whether pictures that exist are replaced.

    Raises
    ------
    OSError, ValueError
        As of `run`.

    See Also
    --------
    Row, run, run_guests : The demonstration and its parts.
    """
    check_picture(output, force=force)
    for guest in _guests():
        check_picture(_picture_of(guest, output), force=force)


def check_picture(path: str | Path, *, force: bool = False) -> None:
    """Refuse one picture."""
    if Path(path).suffix.lower() not in PICTURES:
        raise ValueError(f"the picture {path} has none of the known endings {', '.join(PICTURES)}")
    check_output(path, force=force)


def _guests() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


def _picture_of(guest: EntryPoint, output: str | Path) -> Path:
    path = Path(output)
    return path.with_name(f"{path.stem}-{guest.name}{path.suffix}")


def run_guests(output: str | Path | None = "demo.png", seed: int = 0, *, force: bool = False) -> list[str]:
    """Run every demonstration that an installed package declares; one that lacks a package is skipped with a line.

    Parameters
    ----------
    output : str or Path, optional
        The demo's own picture. A guest called ``race`` draws its picture beside it, into ``demo-race.png`` for
        ``demo.png``; None draws none.
    seed : int, optional
        Of everything random.
    force : bool, optional
        Whether pictures that exist are replaced.

    Returns
    -------
    list of str
        Names of the demonstrations that ran.

    See Also
    --------
    check_pictures, Row, run : The demonstration and its parts.

    Notes
    -----
    An entry point names a function of (path of the picture or None, seed). It prints what it has to say, replaces the
    picture, whose path has been checked, and raises ImportError where a package is missing.
    """
    ran = []
    for guest in _guests():
        picture = None if output is None else _picture_of(guest, output)
        if picture is not None:
            check_picture(picture, force=force)
        try:
            guest.load()(picture, seed)
        except ImportError as error:
            print(f"Skipped the {guest.name}: {error} (pip install 'thermolinalg[all]' has everything)")
        else:
            ran.append(guest.name)
    return ran
