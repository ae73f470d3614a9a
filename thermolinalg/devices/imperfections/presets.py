"""Configurations of devices that were described, built or can be thought of; each number with its source.

Voltages are in units of 0.1 V, the full range of a load, times in RC = 1 µs, as `thermolinalg.circuits` takes them.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

from thermolinalg.devices.imperfections.disturbances import Clock, Flicker, Interference, Warming
from thermolinalg.devices.imperfections.imperfections import Imperfections
from thermolinalg.devices.imperfections.parts import Amplifiers, Capacitors, Converter, Couplings, Noise
from thermolinalg.devices.imperfections.sourced import Part, Sourced

__all__ = ["PCB2024", "Ideal", "IntegratedCMOS", "PaperTNGD", "Pessimistic"]

PAPER = "arXiv:2405.13817, Appendix C"
BREADBOARD = "measured on an independent two-node RC breadboard"
AIHWKIT = "IBM aihwkit"
CROSSSIM = "CrossSim"

P = TypeVar("P", bound=Part)

GBW = Sourced(2 * math.pi * 10, "assumption: gain times bandwidth 10 MHz at RC = 1 µs")
COLOUR = Sourced(0.05, "assumption: sources twenty times as fast as the fastest node")


def _unknown(part: type[P], **known: Any) -> P:
    """A part of which no other number is known."""
    return part(**{name: None for name in part.quantities()} | known)


class Ideal(Imperfections):
    """Nothing errs.

    Parameters
    ----------
    **changes
        Parts and numbers of one's own, as for `Imperfections`.

    See Also
    --------
    PaperTNGD, PCB2024, IntegratedCMOS, Pessimistic : Presets of `Imperfections`.

    Examples
    --------
    >>> print(Ideal())
    ideal
    """

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)


class PaperTNGD(Imperfections):
    """What Thermodynamic Natural Gradient Descent assumes of its device: 16 bits everywhere; the rest is unknown.

    Parameters
    ----------
    **changes
        Parts and numbers of one's own, as for `Imperfections`.

    See Also
    --------
    PCB2024, IntegratedCMOS, Pessimistic, Ideal : Presets of `Imperfections`.

    Examples
    --------
    >>> print(PaperTNGD(amplifiers=Amplifiers()).rows()[0])
    Row(name='inputs.bits', value='16', unit='bit', source='arXiv:2405.13817, Appendix C')
    """

    def __init__(self, **changes: Any) -> None:
        bits = Sourced(16, PAPER)
        parts: dict[str, Any] = {
            "inputs": _unknown(Converter, bits=bits),
            "couplings": _unknown(Couplings, bits=bits),
            "amplifiers": _unknown(Amplifiers),
            "capacitors": _unknown(Capacitors),
            "noise": _unknown(Noise),
            "outputs": _unknown(Converter, bits=bits),
            "interference": _unknown(Interference),
            "flicker": _unknown(Flicker),
            "warming": _unknown(Warming),
            "clock": _unknown(Clock),
        }
        super().__init__(**parts | changes)


class PCB2024(Imperfections):
    """A printed circuit board of discrete parts: integrators, a resistor for each coupling, amplified noise.

    Parameters
    ----------
    **changes
        Parts and numbers of one's own, as for `Imperfections`; ``die=`` chooses the board.

    See Also
    --------
    IntegratedCMOS, Pessimistic, Ideal, PaperTNGD : Presets of `Imperfections`.

    Examples
    --------
    >>> PCB2024().noise.spread.source
    'measured on an independent two-node RC breadboard'
    """

    def __init__(self, **changes: Any) -> None:
        converter = Sourced(16, PAPER)
        parts: dict[str, Any] = {
            "inputs": Converter(bits=converter),
            "couplings": Couplings(
                bits=Sourced(8, "assumption: digital potentiometers"),
                on_off_ratio=Sourced(1000, "assumption"),
                mismatch=Sourced(0.01, f"{BREADBOARD}: single resistors within 1.2 %"),
                write_noise=None,
                symmetric=False,
            ),
            "amplifiers": Amplifiers(
                offset=Sourced(0.01, "assumption: 1 mV"), gain=Sourced(1e5, "assumption"), bandwidth=GBW
            ),
            "capacitors": Capacitors(
                mismatch=Sourced(0.001, f"assumption: sorted parts; 0.04 % {BREADBOARD}"),
                error=Sourced(0.07, f"{BREADBOARD}: offset of the batch"),
            ),
            "noise": Noise(
                temperature_error=Sourced(0.008, f"{BREADBOARD}: 0.4 % in volts for 3 K"),
                spread=Sourced(0.016, BREADBOARD),
                correlation=Sourced(0.018, f"{BREADBOARD}: a good ground"),
                correlation_time=COLOUR,
            ),
            "outputs": Converter(
                bits=converter,
                full_scale=Sourced(120, f"{BREADBOARD}: rails of ±12 V"),
                noise=Sourced(120 / 2**15, f"{AIHWKIT}: noise of one step"),
                offset=None,
            ),
            "interference": _unknown(Interference),
            "flicker": _unknown(Flicker),
            "warming": _unknown(Warming),
            "clock": _unknown(Clock),
        }
        super().__init__(**parts | changes)


class IntegratedCMOS(Imperfections):
    """An integrated circuit: small converters, matched elements, amplifiers that null their offsets.

    Parameters
    ----------
    **changes
        Parts and numbers of one's own, as for `Imperfections`; ``die=`` chooses the chip.

    See Also
    --------
    Pessimistic, Ideal, PaperTNGD, PCB2024 : Presets of `Imperfections`.

    Examples
    --------
    >>> IntegratedCMOS(matrix_bits=6).couplings.bits
    6
    """

    def __init__(self, **changes: Any) -> None:
        parts: dict[str, Any] = {
            "inputs": Converter(bits=Sourced(8, f"{AIHWKIT}: 7 to 8 bits")),
            "couplings": Couplings(
                bits=Sourced(8, f"{CROSSSIM}: bits of a cell"),
                on_off_ratio=Sourced(100, "assumption"),
                mismatch=Sourced(0.003, "assumption: 0.1 to 0.5 %"),
                stuck_off=Sourced(0.001, "assumption"),
                series_resistance=Sourced(3.5e-4, f"{AIHWKIT}: 0.35 Ω; {CROSSSIM}: at least 1 kΩ"),
            ),
            "amplifiers": Amplifiers(
                offset=Sourced(1e-4, "assumption: 10 µV after auto-zero"),
                gain=Sourced(1e5, "assumption"),
                bandwidth=GBW,
            ),
            "capacitors": Capacitors(mismatch=Sourced(0.001, "assumption"), error=None),
            "noise": Noise(
                temperature_error=None, spread=None, correlation=Sourced(0.01, "assumption"), correlation_time=COLOUR
            ),
            "outputs": Converter(
                bits=Sourced(9, f"{AIHWKIT}: PresetIOParameters"),
                full_scale=Sourced(9, "assumption: rails of ±0.9 V"),
                noise=Sourced(9 / 2**8, f"{AIHWKIT}: noise of one step"),
                offset=None,
            ),
            "interference": _unknown(Interference),
            "flicker": _unknown(Flicker),
            "warming": _unknown(Warming),
            "clock": _unknown(Clock),
        }
        super().__init__(**parts | changes)


class Pessimistic(Imperfections):
    """The worst number of each kind that was found or assumed, all at once.

    Parameters
    ----------
    **changes
        Parts and numbers of one's own, as for `Imperfections`; ``die=`` chooses the device.

    See Also
    --------
    Ideal, PaperTNGD, PCB2024, IntegratedCMOS : Presets of `Imperfections`.

    Examples
    --------
    >>> Pessimistic().distortion > PCB2024().distortion > Ideal().distortion
    True
    """

    def __init__(self, **changes: Any) -> None:
        parts: dict[str, Any] = {
            "inputs": Converter(bits=Sourced(7, f"{AIHWKIT}: PresetIOParameters"), offset=Sourced(0.01, "assumption")),
            "couplings": Couplings(
                bits=Sourced(6, "assumption"),
                on_off_ratio=Sourced(10, f"{CROSSSIM}: 1 kΩ to 10 kΩ"),
                mismatch=Sourced(0.1, "simulations of p-bits: ±10 % in couplings"),
                write_noise=Sourced(0.01, f"{AIHWKIT}: order of one per cent"),
                stuck_off=Sourced(0.001, "assumption"),
                drift=Sourced(0.05, f"{AIHWKIT}: 0.049 to 0.1"),
                age=100.0,
                symmetric=False,
            ),
            "amplifiers": Amplifiers(
                offset=Sourced(0.05, "assumption: 5 mV"), gain=Sourced(1e3, "assumption"), bandwidth=GBW
            ),
            "capacitors": Capacitors(
                mismatch=Sourced(0.14, f"{BREADBOARD}: worst pair"),
                error=Sourced(0.07, f"{BREADBOARD}: offset of the batch"),
            ),
            "noise": Noise(
                temperature_error=Sourced(-0.046, f"{BREADBOARD}: −2.3 % in volts without settling"),
                spread=Sourced(0.016, BREADBOARD),
                correlation=Sourced(0.051, f"{BREADBOARD}: a bad ground"),
                correlation_time=Sourced(0.2, "assumption"),
            ),
            "outputs": Converter(
                bits=Sourced(7, "assumption"),
                full_scale=Sourced(9, "assumption: rails of ±0.9 V"),
                noise=Sourced(9 / 2**6, f"{AIHWKIT}: noise of one step"),
                offset=Sourced(0.01, "assumption"),
            ),
            "interference": _unknown(Interference),
            "flicker": _unknown(Flicker),
            "warming": _unknown(Warming),
            "clock": _unknown(Clock),
        }
        super().__init__(**parts | changes)
