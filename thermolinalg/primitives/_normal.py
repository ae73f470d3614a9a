"""When A itself is on the device and when AᵀA is, which device that is, and what the normal operator cannot hide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg.devices import Device, GeneralDevice, LangevinDevice
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.primitives._devices import as_device
from thermolinalg.primitives._system import System

__all__ = ["device_for", "refuse_inconsistent", "through_normal_operator_if_needed"]

T = TypeVar("T")


def device_for(loadable: ReadMatrix, device: Device | None) -> Device:
    """The user's device, or the default one; TypeError where it cannot hold A as the drift itself."""
    if loadable.assume != "stable":
        return as_device(device)
    if isinstance(device, LangevinDevice):
        raise TypeError("assume_a='stable' needs a GeneralDevice: the couplings of a LangevinDevice are symmetric")
    return GeneralDevice() if device is None else device


def through_normal_operator_if_needed(loadable: ReadMatrix, attempt: Callable[[bool], T]) -> T:
    """A where it is symmetric or 'stable'; AᵀA where it is not, or where 'sym'/'her' turns out indefinite."""
    if loadable.assume == "stable":
        return attempt(False)
    if not loadable.symmetric:
        return attempt(True)
    if loadable.assume not in ("sym", "her", "diagonal", "tridiagonal"):
        return attempt(False)
    try:
        return attempt(False)
    except np.linalg.LinAlgError:
        return attempt(True)


def refuse_inconsistent(system: System, x: Array, converged: bool) -> None:
    """LinAlgError where the normal operator left a residual that no x can remove: A is singular."""
    if converged or not system.normal:
        return
    xp = namespace(x)
    r, norms = system.residual(x)
    gradient = xp.linalg.vector_norm(r, axis=0)
    scale = xp.linalg.vector_norm(system.load(), axis=0)
    sizes = xp.linalg.vector_norm(system.rhs, axis=0)
    hopeless = (gradient <= 1e-8 * scale) & (norms > 1e-4 * sizes)
    if bool(xp.any(hopeless)):
        column = int(xp.argmax(xp.astype(hopeless, x.dtype)))
        raise np.linalg.LinAlgError(
            f"A is singular: right-hand side {column} keeps a residual of {float(norms[column] / sizes[column]):.3g} "
            "times its norm, orthogonal to the range of A; use lstsq or pinv for the least-squares solution"
        )
