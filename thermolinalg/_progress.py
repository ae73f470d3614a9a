"""Progress of long work: a bar where it is asked for, and unasked where work takes long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import length_hint
from time import monotonic
from typing import TypeVar

__all__ = ["watched"]

PATIENCE = 15.0
"""Seconds after which a bar appears unasked, on the standard error: earlier ones would be noise in a log."""

Item = TypeVar("Item")


def watched(items: Iterable[Item], what: str, shown: bool, total: int | None = None) -> Iterator[Item]:
    """The items, with a progress bar at once where it is asked for, and else after `PATIENCE` seconds.

    Parameters
    ----------
    items : iterable
        What is worked through.
    what : str
        What the bar is called.
    shown : bool
        Whether a bar is asked for.
    total : int, optional
        Number of items, where `items` does not tell it.

    Yields
    ------
    item
    """
    total = total if total is not None else length_hint(items) or None
    begun, bar = monotonic(), None
    try:
        for done, item in enumerate(items):
            if bar is None and (shown or monotonic() - begun > PATIENCE):
                from tqdm import tqdm  # here, because few calls show a bar

                bar = tqdm(desc=what, total=total, initial=done)
            yield item
            if bar is not None:
                bar.update()
    finally:
        if bar is not None:
            bar.close()
