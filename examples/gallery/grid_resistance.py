"""The diagonal of an inverse, node by node.

A grid of 40 × 40 unit resistors, held at three pads. The diagonal of the inverse of its conductance matrix is the
resistance from each node to the pads, and in a device it is how much the voltage of that node fluctuates:
`tla.inv_diagonal` reads the variances of all nodes at once, and never forms the inverse.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp

import thermolinalg as tla
from thermolinalg.plotting import GREY, RED, finish

n = 40
path = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n)).tolil()
path[0, 0] = path[-1, -1] = 1.0
grid = (sp.kron(path, sp.eye_array(n)) + sp.kron(sp.eye_array(n), path)).tolil()
pads = [(4, 4), (30, 12), (20, 36)]
for row, column in pads:
    grid[row * n + column, row * n + column] += 10.0  # a tenth of an ohm to the supply

resistance, info = tla.inv_diagonal(grid.tocsr(), rtol=0.02, rng=0, return_info=True)

figure, ax = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
image = ax.imshow(resistance.reshape(n, n), cmap="cividis")
ax.plot([column for _, column in pads], [row for row, _ in pads], "s", color=RED, markersize=7, label="pads")
figure.colorbar(image, ax=ax, label="resistance to the supply (Ω)", shrink=0.9)
error = np.max(info.standard_error / resistance)
finish(ax, f"Each node to {100 * error:.1f} % standard error", "column", "row", legend=False)
ax.legend(loc="lower right", facecolor="white", edgecolor=GREY, fontsize=9)
ax.grid(visible=False)
figure.savefig(sys.argv[1] if sys.argv[1:] else "grid_resistance.png")
