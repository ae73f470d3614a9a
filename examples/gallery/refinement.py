"""Few bits, all digits.

Devices whose couplings have 4, 6 or 8 bits hold a wrong matrix, and one run of them is off by per cents, however long
it averages. Sent back its own residual, which the host computes from the true A, each of them ends at the same answer
to ten digits; coarser ones take more runs.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import thermolinalg as tla
from thermolinalg.plotting import CYCLE, GREY, finish

rng = np.random.default_rng(0)
X = rng.standard_normal((96, 24))
A, b = X.T @ X / 96, rng.standard_normal(24)
truth = np.linalg.solve(A, b)

figure, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for bits, colour in zip((4, 6, 8, None), CYCLE, strict=False):
    device = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=bits, die=1))
    errors = []
    tla.solve(A, b, device=device, rng=0, callback=lambda x: errors.append(np.linalg.norm(x - truth)))
    name = "ideal" if bits is None else f"{bits} bits"
    relative = np.array(errors) / np.linalg.norm(truth)
    ax.semilogy(range(1, len(errors) + 1), relative, "o-", color=colour, label=f"{name}, {len(errors)} runs")
ax.axhline(1e-10, color=GREY, linestyle="--", linewidth=1)
ax.xaxis.get_major_locator().set_params(integer=True)
finish(ax, "Each run takes off what the last one left", "runs", "relative error")
figure.savefig(sys.argv[1] if sys.argv[1:] else "refinement.png")
