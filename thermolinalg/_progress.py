"""Long work that can be watched: bars where they are asked for or work takes long, and callbacks that may end it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from operator import length_hint
from time import monotonic
from typing import Any, TypeVar

from thermolinalg._info import Info

__all__ = ["Watch", "seen_as", "showing", "told", "watched"]

PATIENCE = 15.0
"""Seconds after which a bar appears unasked, on the standard error: earlier ones would be noise in a log."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Watch:
    """How the call that runs is watched: the loops far below it need not be told one by one.

    Parameters
    ----------
    shown : bool
        Whether bars are asked for.
    callback : callable, optional
        The user's, called with a report.
    of : str
        What it is shown: loops that work towards something else pass it by.
    seen : callable
        From what a loop has at hand to what the user sees of it.
    """

    shown: bool = False
    callback: Callable[[Info], Any] | None = None
    of: str = "solution"
    seen: Callable[[Any], Any] = lambda x: x


_WATCH: ContextVar[Watch] = ContextVar("how the call that runs is watched", default=Watch())  # noqa: B039 - frozen


@contextmanager
def showing(progress: bool, callback: Callable[..., Any] | None = None, of: str = "solution") -> Iterator[Watch]:
    """Bars at once for every loop inside, where `progress` asks for them, and iterates for `callback`.

    Parameters
    ----------
    progress : bool
        False leaves it as it is outside.
    callback : callable, optional
        Called as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where its parameter has that name, as
        those of `scipy.optimize` are. None leaves it as it is outside.
    of : str, optional
        What it is shown.

    Yields
    ------
    Watch

    Raises
    ------
    TypeError
        `callback` cannot be called.
    """
    outside = _WATCH.get()
    watch = replace(outside, shown=bool(progress) or outside.shown)
    if callback is not None:
        watch = replace(watch, callback=_observer(callback), of=of)
    before = _WATCH.set(watch)
    try:
        yield watch
    finally:
        _WATCH.reset(before)


def _observer(callback: Callable[..., Any]) -> Callable[[Info], Any]:
    """The user's callback, fed with reports."""
    if not callable(callback):
        raise TypeError(f"callback must be None or callable, got {callback!r}")
    try:
        wants_info = "intermediate_result" in inspect.signature(callback).parameters
    except ValueError:  # a builtin without a signature
        wants_info = False
    return (lambda info: callback(intermediate_result=info)) if wants_info else (lambda info: callback(info.x))


@contextmanager
def seen_as(translate: Callable[[Any], Any]) -> Iterator[None]:
    """What loops inside have at hand is shown to the callback as ``translate(x)``.

    Parameters
    ----------
    translate : callable
        Applied only where there is a callback.
    """
    outside = _WATCH.get()
    before = _WATCH.set(replace(outside, seen=lambda x: outside.seen(translate(x))))
    try:
        yield
    finally:
        _WATCH.reset(before)


def told(of: str, report: Callable[[], dict[str, Any]]) -> bool:
    """Whether the callback of the call that runs, shown where it has got to, ends it by StopIteration.

    Parameters
    ----------
    of : str
        What is at hand.
    report : callable
        Gives the entries of the report, of which `x` is the iterate; only called where there is a callback.

    Returns
    -------
    bool
        False where nobody watches.
    """
    watch = _WATCH.get()
    if watch.callback is None or watch.of != of:
        return False
    before = _WATCH.set(Watch())  # calls that the callback makes are its own
    try:
        entries = report()
        watch.callback(Info(entries | {"x": watch.seen(entries["x"])}))
    except StopIteration:
        return True
    finally:
        _WATCH.reset(before)
    return False


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
    shown = shown or _WATCH.get().shown
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
