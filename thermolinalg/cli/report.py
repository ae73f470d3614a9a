"""Results as text for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thermolinalg._arrays import is_torch, to_numpy
from thermolinalg.cli import in_options

__all__ = ["as_json", "describe_array", "plain", "print_report"]

SHOWN = 6
"""Entries of a vector that a person gets to see."""


def plain(value: Any, *, full: bool = True) -> Any:
    """The value as JSON types: arrays as lists, dataclasses as objects, NaN and infinity as null.

    Parameters
    ----------
    value : object
    full : bool, optional
        Whether arrays are listed in full, or described by shape, norm and extremes.

    Returns
    -------
    object
    """
    if isinstance(value, Mapping):
        return {str(name): plain(value[name], full=full) for name in value}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), full=full) for field in fields(value)}
    if isinstance(value, np.ndarray) or is_torch(value):
        array = to_numpy(value)
        return _entries(array) if full or array.ndim == 0 else describe_array(array)
    if isinstance(value, (list, tuple)):
        return [plain(entry, full=full) for entry in value]
    if isinstance(value, (complex, np.complexfloating)):
        return {"real": plain(value.real), "imag": plain(value.imag)}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def describe_array(array: np.ndarray) -> dict[str, Any]:
    """Shape, norm and extremes.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    dict
    """
    size = np.abs(array)
    ends = {"min": float(array.min()), "max": float(array.max())} if array.size and not np.iscomplexobj(array) else {}
    return {"shape": list(array.shape), "norm": plain(float(np.linalg.norm(size))), **ends}


def as_json(value: Any) -> str:
    """One JSON object in one line, of ASCII characters alone.

    Parameters
    ----------
    value : object
        Made of JSON types: see `plain`.

    Returns
    -------
    str
    """
    return json.dumps(value, allow_nan=False)


def print_report(title: str, value: Any, error: Any, info: Mapping[str, Any]) -> None:
    """A table for people: the value with its error bar, and what the call reports.

    Parameters
    ----------
    title : str
    value, error : ndarray or float
        Error: one standard error, or None.
    info : mapping
    """
    table = Table(
        title=Text(title, style="table.title"), title_justify="left", show_header=False, box=None, padding=(0, 2)
    )
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("value", Text(_shown(value)))
    if error is not None:
        table.add_row("standard error", Text(_shown(error)))
    for name in info:
        if name not in ("standard_error", "state", "success", "status") and _is_telling(info[name]):
            table.add_row(name.replace("_", " "), Text(_text(info[name])))
    console = Console()
    Console(width=console.width if console.is_terminal else 120).print(table)


def _entries(array: np.ndarray) -> Any:
    if np.iscomplexobj(array):
        return {"real": _entries(array.real), "imag": _entries(array.imag)}
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        return plain(array.tolist())
    return array.tolist()


def _is_telling(value: Any) -> bool:
    """Whether a person wants to see it: neither nothing, nor a long array."""
    if isinstance(value, np.ndarray):
        return value.size <= SHOWN
    return value is not None and not (isinstance(value, (list, tuple, str)) and len(value) == 0)


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field.name.replace("_", " "), getattr(value, field.name)) for field in fields(value))
        return ", ".join(f"{name} {_text(entry)}" for name, entry in pairs if entry is not None)
    return in_options(str(value))


def _shown(value: Any) -> str:
    """The first entries of a vector, the shape and norm of what is larger."""
    array = np.asarray(to_numpy(value))
    if array.ndim == 0:
        return f"{array.item():.10g}"
    if array.ndim == 1:
        more = f" … ({array.size} in all)" if array.size > SHOWN else ""
        return "  ".join(f"{entry:.6g}" for entry in array[:SHOWN]) + more
    return f"{' x '.join(map(str, array.shape))}, norm {np.linalg.norm(array):.6g}"
