"""What curvature would take in memory and work, and how much memory there is: counted before any work."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from thermoapps.natural_gradient.layers import Use, keeps_factors, rule_for

__all__ = ["Count", "MemoryLimit", "TooManyRowsError", "count", "free_memory"]

SHARE = 0.5
"""Of the memory that is free, which curvature may take by default."""

DOUBLES = 3
"""Matrices in double precision that decompositions of a Gram matrix take beside it."""

GROUP = "/sys/fs/cgroup"
GROUPS = (
    ("memory.max", "memory.current", ""),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_"),
)
"""Files in which control groups of either version tell what is granted and taken, and how their statistics begin."""


class TooManyRowsError(RuntimeError):
    """Curvature rows would not fit into memory; the message names what would.

    See Also
    --------
    RefusedStepWarning, UnsupportedLayerError : How a step is refused.
    """


@dataclass(frozen=True)
class MemoryLimit:
    """Most memory that the rows of a batch and their Gram matrix may take.

    Parameters
    ----------
    limit : float, optional
        Bytes, or below 1 a share of what is free on the device at hand; by default half of it.

    Raises
    ------
    ValueError
        Not positive.

    Examples
    --------
    >>> MemoryLimit(2e9).bytes(torch.device("cpu"))
    2000000000.0
    """

    limit: float | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and not self.limit > 0:
            raise ValueError(
                f"memory_limit must be positive, in bytes or below 1 a share of free memory, got {self.limit!r}"
            )

    def bytes(self, device: torch.device) -> float:
        """The limit in bytes."""
        limit = SHARE if self.limit is None else self.limit
        return limit * free_memory(device) if limit < 1 else float(limit)


@dataclass(frozen=True)
class Count:
    """What rows and products would take, counted before any work; operations are multiplications and additions.

    Parameters
    ----------
    columns, data : int
        Columns V of the root, and data b.
    numbers : int
        What the rows of all layers hold: cotangents, or rows where these are stored.
    forward : int
        Operations of the layers in one pass of the model.
    gram : int
        Operations of the Gram matrix R Rᵀ, 0 if none is formed.
    singly : bool
        Whether some layer has its rows by one backward pass each.
    """

    columns: int
    data: int
    numbers: int
    forward: int
    gram: int
    singly: bool

    @property
    def rows(self) -> int:
        """r."""
        return self.columns * self.data

    def bytes(self, itemsize: int) -> int:
        """Of rows, Gram matrix and its decomposition."""
        return itemsize * self.numbers + (self.rows**2 * (itemsize + 8 * DOUBLES) if self.gram else 0)

    @property
    def by_rows(self) -> int:
        """Operations of a direction from rows: backward passes for columns or rows, Gram matrix and decomposition."""
        passes = self.columns * self.forward + (2 * self.rows * self.forward if self.singly else 0)
        return passes + (self.gram + self.rows**3 if self.gram else 0)

    def by_products(self, products: int) -> int:
        """Operations of a direction from so many products: a backward pass through a backward pass, and another one."""
        return 4 * products * self.forward


def count(
    uses: Sequence[Use], owned: Mapping[nn.Module, Mapping[str, Tensor]], columns: int, data: int, with_gram: bool
) -> Count:
    """Count what rows and products would take.

    Parameters
    ----------
    uses : sequence of Use
        The recorded uses.
    owned : mapping
        Each layer's own trained parameters.
    columns, data : int
        Columns V of the root, and data b.
    with_gram : bool
        Whether R Rᵀ will be formed and decomposed.

    Returns
    -------
    Count
    """
    numbers = forward = gram = 0
    rows = columns * data
    for module, own in owned.items():
        if not own:
            continue
        entries = sum(parameter.numel() for parameter in own.values())
        numel = sum(output.numel() for use in uses if use.module is module for output in use.outputs)
        if not keeps_factors(rule_for(module, own)):
            # What is not (n, …, entries) is taken for it: sequences count as often as they are long.
            seen = [use.outputs[0].numel() // (data * use.outputs[0].shape[-1]) for use in uses if use.module is module]
            places = max(1, *seen)
            numbers, gram = numbers + rows * entries, gram + rows**2 * entries // 2
            forward += data * entries * places
            continue
        weight = module.weight
        assert isinstance(weight, Tensor)
        # An embedding is a linear layer whose inputs have a single entry that is not zero.
        o, i = (weight.shape[1], 1) if isinstance(module, nn.Embedding) else (len(weight), entries // len(weight))
        t = max(1, numel // (data * o))
        forward += numel * i
        kept = any(use.keep_factors for use in uses if use.module is module)
        numbers += columns * numel if kept else min(columns * numel, rows * entries)
        folded = data**2 * t**2 * (i + columns * o) + rows**2 * t * o
        gram += min(folded, (2 * rows * t + rows**2) * i * o)
    return Count(
        columns,
        data,
        numbers,
        forward,
        gram if with_gram else 0,
        any(_singly(module) for module, own in owned.items() if own),
    )


def _singly(module: nn.Module) -> bool:
    """Whether a layer has its rows one by one, as it goes through time in one operation or draws random numbers."""
    random = isinstance(module, nn.MultiheadAttention) and module.training and module.dropout > 0
    return random or isinstance(module, nn.RNNBase)


def free_memory(device: torch.device) -> float:
    """Bytes that this process can still take on a device; infinite where nobody tells.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    float
    """
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return min(_available(), _control_group(), _address_space())


def _available() -> float:
    """Of the machine's memory, as Linux tells; elsewhere all that there is."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return 1024.0 * int(line.split()[1])
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def _control_group() -> float:
    """Of the memory that a container grants; files that are only cached make way."""
    free = [math.inf]
    for limit, used, prefix in GROUPS:
        granted, taken = _lines(f"{GROUP}/{limit}"), _lines(f"{GROUP}/{used}")
        if not (granted and granted[0].isdigit() and taken):
            continue
        cached = {f"{prefix}active_file", f"{prefix}inactive_file"}
        statistics = [line.split() for line in _lines(f"{GROUP}/{Path(limit).parent}/memory.stat")]
        files = sum(int(number) for name, number in statistics if name in cached)
        free.append(float(int(granted[0]) - int(taken[0]) + files))
    return max(0.0, min(free))


def _address_space() -> float:
    """Of the address space that the process may take, as ``ulimit -v`` sets it."""
    try:
        import resource
    except ImportError:  # not a Unix
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _lines("/proc/self/statm")
    if limit == resource.RLIM_INFINITY or not used:
        return math.inf
    return max(0.0, limit - float(int(used[0].split()[0]) * resource.getpagesize()))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
