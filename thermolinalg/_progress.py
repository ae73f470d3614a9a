"""Progress of long work: bars where they are asked for, and unasked where work takes long."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import length_hint
from time import monotonic
from typing import TypeVar

__all__ = ["showing", "watched"]

PATIENCE = 15.0
"""Seconds after which a bar appears unasked, on the standard error: earlier ones would be noise in a log."""

Item = TypeVar("Item")

_ASKED_FOR: ContextVar[bool] = ContextVar("bars are asked for", default=False)
"""Of the call that runs: the loops far below it need not be told one by one."""


@contextmanager
def showing(progress: bool) -> Iterator[None]:
    """Bars at once for every loop inside, where `progress` asks for them.

    Parameters
    ----------
    progress : bool
        False leaves it as it is outside.
    """
    before = _ASKED_FOR.set(bool(progress) or _ASKED_FOR.get())
    try:
        yield
    finally:
        _ASKED_FOR.reset(before)


def watched(
    items: Iterable[Item],
    what: str,
    shown: bool = False,
    total: int | None = None,
    tell: Callable[[Item], str] | None = None,
) -> Generator[Item, None, None]:
    """The items, with a progress bar at once where it is asked for, and else after `PATIENCE` seconds.

    Parameters
    ----------
    items : iterable
        What is worked through.
    what : str
        What the bar is called.
    shown : bool, optional
        Whether a bar is asked for, as it is inside of `showing`.
    total : int, optional
        Number of items, where `items` does not tell it.
    tell : callable, optional
        ``tell(item)``: what the bar says of the item at hand.

    Yields
    ------
    item
    """
    total = total if total is not None else length_hint(items) or None
    shown = shown or _ASKED_FOR.get()
    begun, bar = monotonic(), None
    try:
        for done, item in enumerate(items):
            if bar is None and (shown or monotonic() - begun > PATIENCE):
                from tqdm import tqdm  # here, because few calls show a bar

                bar = tqdm(desc=what, total=total, initial=done, leave=None)
            if bar is not None and tell is not None:
                bar.set_postfix_str(tell(item), refresh=False)
            yield item
            if bar is not None:
                bar.update()
    finally:
        if bar is not None:
            bar.close()
