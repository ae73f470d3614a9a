"""Curvature rows as they stand in a device whose elements have errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers.base import Rows
from thermolinalg import LangevinDevice
from thermolinalg.devices import Couplings, Device

__all__ = ["written"]


def written(device: Device, rows: Rows, rng: np.random.Generator) -> tuple[Device, Rows | Tensor]:
    """The rows with the errors of a device that holds them in an array of r × N elements.

    Couplings err in the elements of R, which are formed for that, not in RᵀR: curvatures stay positive semidefinite.
    R and Rᵀ have the same errors.

    Parameters
    ----------
    device : Device
    rows : Rows
    rng : numpy.random.Generator
        Draws what is random in them.

    Returns
    -------
    device : Device
        The same without errors of its matrix.
    rows : Rows or Tensor, shape (r, N)
    """
    if not isinstance(device, LangevinDevice):
        return device, rows
    errors = device.imperfections
    if errors.couplings.is_perfect:
        return device, rows
    identity = torch.eye(rows.shape[0], dtype=rows.dtype, device=rows.like.device)
    elements = errors.write_array(rows.apply_transposed(identity).T, rng)
    return replace(device, imperfections=replace(errors, couplings=Couplings())), elements
