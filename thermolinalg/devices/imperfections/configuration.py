"""A configuration: the parts of a device with all their numbers, as text and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from thermolinalg._validation import as_count
from thermolinalg.devices.imperfections.disturbances import (
    Clock,
    DriveFlicker,
    Flicker,
    Interference,
    Shots,
    Warming,
)
from thermolinalg.devices.imperfections.parts import Amplifiers, Capacitors, Converter, Couplings, Noise
from thermolinalg.devices.imperfections.sourced import Number, Part, Row

__all__ = ["PARTS", "Configuration"]

CONVERTER, COUPLINGS, AMPLIFIERS, CAPACITORS, NOISE = Converter(), Couplings(), Amplifiers(), Capacitors(), Noise()
INTERFERENCE, FLICKER, WARMING, CLOCK = Interference(), Flicker(), Warming(), Clock()
SHOTS, DRIVE_FLICKER = Shots(), DriveFlicker()
"""The ideal parts; nothing changes them, so all configurations share them."""

PARTS: dict[str, type[Part]] = {
    "inputs": Converter,
    "couplings": Couplings,
    "amplifiers": Amplifiers,
    "capacitors": Capacitors,
    "noise": Noise,
    "outputs": Converter,
    "interference": Interference,
    "flicker": Flicker,
    "warming": Warming,
    "clock": Clock,
    "shots": Shots,
    "drive_flicker": DriveFlicker,
}

SHORT = {
    "matrix_bits": ("couplings", "bits"),
    "mismatch": ("couplings", "mismatch"),
    "input_bits": ("inputs", "bits"),
    "offset": ("inputs", "offset"),
    "output_bits": ("outputs", "bits"),
    "temperature_error": ("noise", "temperature_error"),
}
"""Keywords that set one number of a part."""


@dataclass(frozen=True, init=False, eq=False)
class Configuration:
    """The parts of a device; see `Imperfections`."""

    inputs: Converter
    couplings: Couplings
    amplifiers: Amplifiers
    capacitors: Capacitors
    noise: Noise
    outputs: Converter
    interference: Interference
    flicker: Flicker
    warming: Warming
    clock: Clock
    shots: Shots
    drive_flicker: DriveFlicker
    die: int | None

    def __init__(
        self,
        *,
        inputs: Converter = CONVERTER,
        couplings: Couplings = COUPLINGS,
        amplifiers: Amplifiers = AMPLIFIERS,
        capacitors: Capacitors = CAPACITORS,
        noise: Noise = NOISE,
        outputs: Converter = CONVERTER,
        interference: Interference = INTERFERENCE,
        flicker: Flicker = FLICKER,
        warming: Warming = WARMING,
        clock: Clock = CLOCK,
        shots: Shots = SHOTS,
        drive_flicker: DriveFlicker = DRIVE_FLICKER,
        die: int | None = None,
        matrix_bits: Number = None,
        mismatch: Number = None,
        input_bits: Number = None,
        offset: Number = None,
        output_bits: Number = None,
        temperature_error: Number = None,
    ) -> None:
        given = locals()
        for name, kind in PARTS.items():
            part = given[name]
            if not isinstance(part, kind):
                raise TypeError(f"{name} must be a {kind.__name__}, got {part!r}")
            short = {inner: given[key] for key, (outer, inner) in SHORT.items() if outer == name}
            short = {inner: value for inner, value in short.items() if value is not None}
            with _in_short(name):
                object.__setattr__(self, name, replace(part, **short) if short else part)
        object.__setattr__(self, "die", None if die is None else as_count(die, "die", minimum=0))

    @property
    def parts(self) -> dict[str, Part]:
        """The parts by name."""
        return {name: getattr(self, name) for name in PARTS}

    @cached_property
    def is_perfect(self) -> bool:
        """Whether the device is simulated as an ideal one."""
        return all(part.is_perfect for part in self.parts.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Configuration):
            return NotImplemented
        return self.parts == other.parts and self.die == other.die

    def __hash__(self) -> int:
        return hash((*self.parts.values(), self.die))

    def rows(self) -> list[Row]:
        """Every number that is not ideal, or unknown, with its source."""
        return [row for name, part in self.parts.items() for row in part.rows(name)]

    def __str__(self) -> str:
        lines = [(row.name, row.value, row.unit, row.source) for row in self.rows()]
        widths = [max((len(line[i]) for line in lines), default=0) for i in range(3)]
        told = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
            for line in lines
        ]
        return "\n".join([*told, "everything else is ideal" if told else "ideal"])

    def to_dict(self) -> dict[str, Any]:
        """Every number of every part, with its source, in what JSON has."""
        return {name: part.to_dict() for name, part in self.parts.items()} | {"die": self.die}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """The configuration of which `to_dict` tells; parts and numbers that are left out are ideal.

        Parameters
        ----------
        told : dict

        Returns
        -------
        Configuration

        Raises
        ------
        ValueError
            A part or number of another name.
        """
        if unknown := told.keys() - PARTS.keys() - {"die"}:
            raise ValueError(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
        parts: dict[str, Any] = {name: kind.from_dict(told[name]) for name, kind in PARTS.items() if name in told}
        return cls(**parts, die=told.get("die"))

    def to_json(self) -> str:
        """`to_dict` as a JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The configuration that `to_json` wrote.

        Parameters
        ----------
        text : str

        Returns
        -------
        Configuration
        """
        return cls.from_dict(json.loads(text))


@contextmanager
def _in_short(part: str) -> Iterator[None]:
    """What is wrong with a number of a part, said by the keyword that may have set it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        names = {inner: key for key, (outer, inner) in SHORT.items() if outer == part}
        first, _, rest = str(error).partition(" ")
        raise type(error)(f"{names.get(first, first)} {rest}") from None
