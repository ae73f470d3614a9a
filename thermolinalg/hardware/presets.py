"""Hardware with a name: the paper's, a printed circuit board, an integrated circuit. Defaults are not promises."""

from __future__ import annotations

from typing import Any

from thermolinalg.hardware.converters import conversion_energy
from thermolinalg.hardware.quantity import Quantity
from thermolinalg.hardware.specification import Hardware

__all__ = ["INTEGRATED", "PAPER", "PCB", "as_hardware"]

TNGD = "arXiv:2405.13817"
ASSUMED = "assumption"
NOBODY = "nobody has published one"

PAPER = Hardware(
    "paper",
    bits=Quantity(16, "bit", TNGD),
    link_rate=Quantity(50e9, "bit/s", TNGD),
    conversion_rate=Quantity(50e9 / 16, "Hz", f"{TNGD}: the converters keep up with the link"),
    channels=Quantity(1, "", f"{TNGD}: the converters keep up with the link"),
    time_constant=Quantity(1e-6, "s", f"{TNGD}: R = 1 kΩ, C = 1 nF"),
    nodes=Quantity(None, "", f"{TNGD}: as many as there are unknowns"),
)
"""The timing model of Thermodynamic Natural Gradient Descent, which says nothing of energies."""

PCB = Hardware(
    "pcb",
    bits=Quantity(16, "bit", f"{TNGD}, for converters that can be bought"),
    link_rate=Quantity(1e9, "bit/s", f"{ASSUMED}: one fast serial lane"),
    conversion_rate=Quantity(1e6, "Hz", f"{ASSUMED}: usual 16-bit parts"),
    channels=Quantity(8, "", f"{ASSUMED}: one octal part"),
    time_constant=Quantity(1e-6, "s", f"{TNGD}: R = 1 kΩ, C = 1 nF"),
    conductance=Quantity(0.5e-3, "S", f"{ASSUMED}: half of 1/R"),
    voltage=Quantity(0.1, "V", ASSUMED),
    load_energy=Quantity(
        0.5 * float(conversion_energy(16).value or 0), "J", f"{ASSUMED}: half of what reading a value takes"
    ),
    read_energy=conversion_energy(16),
    write_energy=Quantity(None, "J", NOBODY),
    link_energy=Quantity(5e-12, "J/bit", ASSUMED),
    amplifier_power=Quantity(5e-3, "W", f"{ASSUMED}: one discrete op-amp"),
    noise_power=Quantity(10e-3, "W", f"two op-amp stages a node, as on a published breadboard; 5 mW each: {ASSUMED}"),
    standby_power=Quantity(None, "W", NOBODY),
    nodes=Quantity(None, "", "not bounded here; built boards have 8"),
)
"""A printed circuit board of discrete parts."""

INTEGRATED = Hardware(
    "integrated",
    bits=Quantity(8, "bit", f"{ASSUMED}: what analog in-memory arrays are built with"),
    link_rate=Quantity(50e9, "bit/s", TNGD),
    conversion_rate=Quantity(100e6, "Hz", ASSUMED),
    channels=Quantity(64, "", ASSUMED),
    time_constant=Quantity(100e-9, "s", f"{ASSUMED}: R = 100 kΩ, C = 1 pF"),
    conductance=Quantity(5e-6, "S", f"{ASSUMED}: half of 1/R"),
    voltage=Quantity(0.1, "V", ASSUMED),
    load_energy=Quantity(
        0.5 * float(conversion_energy(8).value or 0), "J", f"{ASSUMED}: half of what reading a value takes"
    ),
    read_energy=conversion_energy(8),
    write_energy=Quantity(153.6e-12, "J", "of another chip, a node of p-bits in SPICE: arXiv:2608.01615, second-hand"),
    link_energy=Quantity(5e-12, "J/bit", ASSUMED),
    amplifier_power=Quantity(30e-6, "W", f"{ASSUMED}: of 10 to 100 µW"),
    noise_power=Quantity(60e-6, "W", f"two stages a node, as on a published breadboard; 30 µW each: {ASSUMED}"),
    standby_power=Quantity(None, "W", NOBODY),
    nodes=Quantity(None, "", "not bounded here; none of this kind is published"),
)
"""An integrated circuit: nearly all of it is assumed."""

PRESETS = {hardware.name: hardware for hardware in (PAPER, PCB, INTEGRATED)}


def as_hardware(hardware: Any) -> Hardware:
    """A `Hardware`, or the preset of that name.

    Parameters
    ----------
    hardware : Hardware or {'paper', 'pcb', 'integrated'}

    Returns
    -------
    Hardware
        As given, or the preset.

    Raises
    ------
    ValueError
        An unknown name.
    TypeError
        Neither a name nor a Hardware.

    See Also
    --------
    conversion_energy, Bill, Item, Quantity : Prices and what is charged.

    Examples
    --------
    >>> as_hardware("paper").time_constant.written
    '1 µs'
    """
    if isinstance(hardware, Hardware):
        return hardware
    if not isinstance(hardware, str):
        raise TypeError(f"hardware must be a Hardware or one of {', '.join(map(repr, PRESETS))}; got {hardware!r}")
    if hardware not in PRESETS:
        raise ValueError(f"hardware must be one of {', '.join(map(repr, PRESETS))}, got {hardware!r}")
    return PRESETS[hardware]
