"""What a device takes as hardware: seconds and joules of what it was asked to do, each number with its source."""

from thermolinalg.hardware.bill import Bill, Item
from thermolinalg.hardware.computer import A100, Computer, this_computer
from thermolinalg.hardware.converters import conversion_energy
from thermolinalg.hardware.presets import INTEGRATED, PAPER, PCB, as_hardware
from thermolinalg.hardware.quantity import Quantity
from thermolinalg.hardware.specification import Hardware

__all__ = [
    "A100",
    "INTEGRATED",
    "PAPER",
    "PCB",
    "Bill",
    "Computer",
    "Hardware",
    "Item",
    "Quantity",
    "as_hardware",
    "conversion_energy",
    "this_computer",
]
