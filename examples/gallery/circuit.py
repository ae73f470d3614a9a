"""What would be soldered.

Three unknowns as op-amp integrators with resistors of the E96 series between them: a disc is a resistor, its area the
conductance, red where it takes the inverted output. The same object writes the list of parts and the netlist for
ngspice, and `realised` says which matrix the preferred values leave.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from thermolinalg.circuits import IntegratorArray
from thermolinalg.circuits.drawing import schematic

A = np.array([[2.0, -0.5, 0.3], [-0.5, 1.0, -0.2], [0.3, -0.2, 1.5]])
circuit = IntegratorArray(A, [1.0, 0.0, -1.0], series="E96", temperature=0.01)

figure, ax = plt.subplots(figsize=(7.6, 3.6), layout="constrained")
schematic(circuit, ax)
off = np.max(np.abs(circuit.realised - A) / np.abs(A))
ax.set_title(f"A to {100 * off:.1f} % with the E96 series, τ = {1e6 * circuit.time_constant:.1f} µs", fontsize=11)
figure.savefig(sys.argv[1] if sys.argv[1:] else "circuit.png")
