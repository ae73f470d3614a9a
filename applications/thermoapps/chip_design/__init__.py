"""Chip design: voltages of power grids, and where the cells of a circuit should stand."""

from thermoapps.chip_design.analytic import global_placement
from thermoapps.chip_design.bookshelf import Circuit, Rows, read_bookshelf
from thermoapps.chip_design.legalisation import legal_placement
from thermoapps.chip_design.meshes import square_mesh
from thermoapps.chip_design.netlist import Element, Netlist, read_netlist
from thermoapps.chip_design.placement import Placement, QuadraticWirelength, quadratic_placement, wirelength
from thermoapps.chip_design.placing import place_circuit
from thermoapps.chip_design.power_grid import GridSolution, PowerGrid, solve_grid
from thermoapps.chip_design.refinement import refine_placement
from thermoapps.chip_design.spreading import (
    overlap,
    rows_between_pads,
    spread_placement,
)
from thermoapps.chip_design.thermal_noise import effective_resistance, johnson_temperature, sample_voltages
from thermoapps.chip_design.transient import TransientSolution, solve_transient
from thermoapps.chip_design.waveforms import Waveform

__all__ = [
    "Circuit",
    "Element",
    "GridSolution",
    "Netlist",
    "Placement",
    "PowerGrid",
    "QuadraticWirelength",
    "Rows",
    "TransientSolution",
    "Waveform",
    "effective_resistance",
    "global_placement",
    "johnson_temperature",
    "legal_placement",
    "overlap",
    "place_circuit",
    "quadratic_placement",
    "read_bookshelf",
    "read_netlist",
    "refine_placement",
    "rows_between_pads",
    "sample_voltages",
    "solve_grid",
    "solve_transient",
    "spread_placement",
    "square_mesh",
    "wirelength",
]
