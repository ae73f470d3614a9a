"""Hardware as its data sheet: speeds, prices and sizes, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

from thermolinalg.devices import Ledger
from thermolinalg.hardware.bill import Bill, Item
from thermolinalg.hardware.quantity import NOT_GIVEN, Quantity

__all__ = ["Hardware"]

UNITS = {
    "bits": "bit",
    "link_rate": "bit/s",
    "conversion_rate": "Hz",
    "channels": "",
    "time_constant": "s",
    "conductance": "S",
    "voltage": "V",
    "load_energy": "J",
    "read_energy": "J",
    "write_energy": "J",
    "link_energy": "J/bit",
    "amplifier_power": "W",
    "noise_power": "W",
    "standby_power": "W",
    "nodes": "",
}

POSITIVE = ("bits", "link_rate", "conversion_rate", "channels", "time_constant", "nodes")
"""What cannot be zero: without it nothing would ever move."""


@dataclass(frozen=True)
class Hardware:
    """A device as hardware. A number may be given for a `Quantity`, and None for what is unknown.

    A value moves in the time of its bits on the link or of its conversion, whichever is longer. Couplings are written
    one after the other, loads and readings are converted one after the other, over all channels. τ is the relaxation
    time of the fastest mode. The array takes G V² for each coupling while a run lasts, amplifiers and noise sources
    their power for each node.

    Parameters
    ----------
    name : str
        What it is called.
    bits : Quantity or float
        Of converters and of what is sent for a coupling.
    link_rate : Quantity or float, optional
        Between host and device, in bit/s.
    conversion_rate : Quantity or float, optional
        Conversions of a channel, in Hz.
    channels : Quantity or float, optional
        Converters that work at a time.
    time_constant : Quantity or float, optional
        τ in s.
    conductance : Quantity or float, optional
        Mean conductance of a coupling, in S.
    voltage : Quantity or float, optional
        Root mean square of the voltages, in V.
    load_energy, read_energy : Quantity or float, optional
        Of a conversion to and from analog, in J.
    write_energy : Quantity or float, optional
        Of writing a coupling, in J.
    link_energy : Quantity or float, optional
        In J/bit.
    amplifier_power, noise_power : Quantity or float, optional
        Of a node, in W.
    standby_power : Quantity or float, optional
        Of all that is on whatever the device does, in W.
    nodes : Quantity or float, optional
        How many there are; None sets no bound.

    Raises
    ------
    ValueError
        A negative number, one that is not finite, or zero where nothing would move.

    See Also
    --------
    plan : Takes one.
    hardware.Bill : What it charges.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from thermolinalg.hardware import PAPER
    >>> ledger = Ledger()
    >>> ledger.write(couplings=1000**2)
    >>> print(PAPER.bill(ledger).times[0])
    write        320 µs: 1e+06 couplings at 320 ps (16 bit at 50 Gbit/s)
    >>> slow = replace(PAPER, link_rate=1e9)
    >>> slow.bill(ledger).seconds
    0.016
    """

    name: str
    bits: Quantity = NOT_GIVEN
    link_rate: Quantity = NOT_GIVEN
    conversion_rate: Quantity = NOT_GIVEN
    channels: Quantity = NOT_GIVEN
    time_constant: Quantity = NOT_GIVEN
    conductance: Quantity = NOT_GIVEN
    voltage: Quantity = NOT_GIVEN
    load_energy: Quantity = NOT_GIVEN
    read_energy: Quantity = NOT_GIVEN
    write_energy: Quantity = NOT_GIVEN
    link_energy: Quantity = NOT_GIVEN
    amplifier_power: Quantity = NOT_GIVEN
    noise_power: Quantity = NOT_GIVEN
    standby_power: Quantity = NOT_GIVEN
    nodes: Quantity = NOT_GIVEN

    def __post_init__(self) -> None:
        for name, unit in UNITS.items():
            quantity = Quantity(None, unit, "not given").given(getattr(self, name), name)
            if name in POSITIVE and quantity.value == 0:
                raise ValueError(f"{name} must be positive, got 0; None says that it is unknown")
            object.__setattr__(self, name, quantity)

    def __str__(self) -> str:
        width = max(map(len, UNITS))
        rows = (f"{name.replace('_', ' '):>{width}}  {getattr(self, name)}" for name in UNITS)
        return "\n".join([f"{'hardware':>{width}}  {self.name}", *rows])

    # -- derived prices ------------------------------------------------------------------------------------------------

    @property
    def pace(self) -> Quantity:
        """Seconds in which one value moves and is converted."""
        bits, link = self.bits, self.link_rate
        rate, channels = self.conversion_rate, self.channels
        if not (bits.value and link.value and rate.value and channels.value):
            return Quantity(None, "s", "a value's bits, the link's rate, or the converters' is unknown")
        moved, converted = bits.value / link.value, 1 / (rate.value * channels.value)
        if moved * (1 + 1e-9) >= converted:
            return Quantity(moved, "s", f"{bits.value:g} bit at {link.written}")
        return Quantity(converted, "s", f"converters, {channels.value:g} at {rate.written}")

    @property
    def coupling_power(self) -> Quantity:
        """G V² of a coupling between a voltage and a virtual ground, in W."""
        G, V = self.conductance, self.voltage
        if G.value is None or V.value is None:
            return Quantity(None, "W", "conductance or voltage is unknown")
        return Quantity(G.value * V.value**2, "W", f"G V² with {G} and {V}")

    # -- what was done, in seconds and joules --------------------------------------------------------------------------

    def bill(self, ledger: Ledger) -> Bill:
        """Seconds and joules of what a ledger holds, runs and columns one after the other on one device.

        Parameters
        ----------
        ledger : Ledger
            Of a device that was used, or of a plan.

        Returns
        -------
        Bill
        """
        pace, tau = self.pace, self.time_constant
        times = (
            Item("write", ledger.written, "couplings", pace),
            Item("load", ledger.values_in, "values", pace),
            Item("relax", ledger.device_time, "τ", tau),
            Item("read", ledger.values_out, "values", pace),
        )
        parts = [item.total for item in times]
        seconds = None if None in parts else sum(part for part in parts if part is not None)
        moved = None if ledger.written is None else ledger.written + ledger.values_in + ledger.values_out
        energies = (
            Item("write", ledger.written, "couplings", self.write_energy),
            Item("load", ledger.values_in, "values", self.load_energy),
            Item("read", ledger.values_out, "values", self.read_energy),
            Item("link", self.bits.of(moved), "bit", self.link_energy),
            Item("array", tau.of(ledger.coupling_time), "s of a coupling", self.coupling_power),
            Item("amplifiers", tau.of(ledger.node_time), "s of a node", self.amplifier_power),
            Item("noise", tau.of(ledger.node_time), "s of a node", self.noise_power),
            Item("standby", seconds, "s", self.standby_power),
        )
        return Bill(self.name, times, energies)
