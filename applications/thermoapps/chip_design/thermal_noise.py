"""Fluctuations of a power grid: thermal noise of its nodes, and their resistance towards the supply."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.constants import Boltzmann

import thermolinalg as tla
from thermoapps.chip_design.power_grid import PowerGrid

__all__ = ["effective_resistance", "johnson_temperature", "sample_voltages"]


def johnson_temperature(bandwidth: float, kelvin: float = 300.0) -> float:
    r"""Temperature of the device at which its samples are the thermal noise of the grid's own resistors.

    A resistance R has the noise voltage :math:`4 k_B \Theta R\,\Delta f` (Nyquist's theorem). In a network of resistors
    at one temperature the noise voltages of all nodes together have the covariance
    :math:`4 k_B \Theta \Delta f\,G^{-1}`: that of a device at :math:`T = 4 k_B \Theta \Delta f`.

    Parameters
    ----------
    bandwidth : float
        Δf, hertz.
    kelvin : float, optional
        Θ, of all resistors.

    Returns
    -------
    float
        T, watt.

    Raises
    ------
    ValueError
        One of them is not positive.

    See Also
    --------
    solve_grid, GridSolution, sample_voltages, effective_resistance : What a power grid does.

    Notes
    -----
    It is assumed that capacitances and inductances play no part within Δf.

    Examples
    --------
    >>> f"{johnson_temperature(1e9):.3g}"
    '1.66e-11'
    """
    for name, value in (("bandwidth", bandwidth), ("kelvin", kelvin)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be positive and finite, got {value}")
    return float(4 * Boltzmann * kelvin * bandwidth)


def sample_voltages(
    grid: PowerGrid,
    size: int,
    *,
    temperature: float,
    mean: Any = None,
    device: tla.LangevinDevice | None = None,
    rng: Any = None,
) -> np.ndarray:
    r"""Draw node voltages from N(v*, T P G⁻¹ Pᵀ): readings of the device in equilibrium.

    Parameters
    ----------
    grid : PowerGrid
        From `PowerGrid.from_netlist`.
    size : int
        How many samples.
    temperature : float
        T in watt; `johnson_temperature` makes it thermal noise.
    mean : array_like, shape (len(grid.names),), optional
        v*, such as `GridSolution.voltages`; default: 0, the noise alone.
    device : LangevinDevice, optional
        Default: an ideal overdamped one.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    float array, shape (size, len(grid.names))
        Volt; nodes that sources fix have their mean without noise.

    Raises
    ------
    ValueError
        temperature is not positive, or the mean has another shape or is not finite.

    See Also
    --------
    effective_resistance, johnson_temperature, solve_grid, GridSolution : What a power grid does.
    """
    centre = np.zeros(len(grid.names)) if mean is None else np.asarray(mean, dtype=float)
    if centre.shape != (len(grid.names),) or not np.isfinite(centre).all():
        raise ValueError(f"mean must be finite and of shape ({len(grid.names)},), got shape {centre.shape}")
    if not grid.conductance.shape[0]:
        return np.tile(centre, (size, 1))
    noise = tla.sample(grid.conductance, size, temperature=temperature, device=device, rng=rng)
    return np.asarray(grid.spread(noise) + centre)


def effective_resistance(
    grid: PowerGrid, *, rtol: float = 0.05, device: tla.LangevinDevice | None = None, rng: Any = None
) -> tuple[np.ndarray, tla.Info]:
    r"""Resistance of each node towards the supply: the diagonal of G⁻¹, from the fluctuations of the device.

    One ampere more at node i lowers its voltage by :math:`(G^{-1})_{ii}` volt, and its thermal noise in a bandwidth Δf
    has the variance :math:`4 k_B \Theta \Delta f\,(G^{-1})_{ii}`.

    Parameters
    ----------
    grid : PowerGrid
        From `PowerGrid.from_netlist`.
    rtol : float, optional
        Relative standard error of each entry; 2/rtol² readings are taken.
    device : LangevinDevice, optional
        Default: an ideal overdamped one.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    resistance : float array, shape (len(grid.names),)
        Ohm; 0 where sources fix the node.
    info : thermolinalg.Info
        Report of the device; its standard errors belong to the unknowns, in the order of `grid.conductance`.

    Raises
    ------
    ValueError
        rtol is not positive.

    See Also
    --------
    johnson_temperature, solve_grid, GridSolution, sample_voltages : What a power grid does.
    """
    diagonal, info = tla.inv_diagonal(grid.conductance, rtol=rtol, device=device, rng=rng, return_info=True)
    return grid.spread(diagonal), info
