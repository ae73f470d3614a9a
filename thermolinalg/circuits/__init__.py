"""Circuits that hold A, and what ngspice makes of them."""

from thermolinalg.circuits.capacitors import CapacitorArray, mirrored
from thermolinalg.circuits.components import Component, parts_list, preferred
from thermolinalg.circuits.device import SpiceDevice
from thermolinalg.circuits.integrators import IntegratorArray
from thermolinalg.circuits.netlist import OpAmp, Transient
from thermolinalg.circuits.ngspice import run_netlist

__all__ = [
    "CapacitorArray",
    "Component",
    "IntegratorArray",
    "OpAmp",
    "SpiceDevice",
    "Transient",
    "mirrored",
    "parts_list",
    "preferred",
    "run_netlist",
]
