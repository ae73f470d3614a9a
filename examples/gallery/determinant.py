"""A determinant from work.

The device is driven from aI to A and back, and the work of each drive is recorded. The two histograms cross at the free
energy difference, which is half of ln det A − d ln a: nothing is decomposed, and six jumps are enough. `tla.slogdet`
combines both histograms by Bennett's acceptance ratio and returns the estimate with its error bar.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import thermolinalg as tla
from thermolinalg.laws.work import Drive
from thermolinalg.plotting import BLUE, GREY, ORANGE, finish

rng = np.random.default_rng(0)
q = np.linalg.qr(rng.standard_normal((6, 6)))[0]
A = (q * np.geomspace(0.1, 1.0, 6)) @ q.T

program = tla.LangevinDevice(loading=tla.AsWritten()).program(tla.operators.Dense(A))
drive = Drive(1.0, "geometric", interval=(0.1, 1.0))  # from the identity
forward, back = program.work(drive, 6, 20_000, rng=rng)
(_, logabsdet), info = tla.slogdet(A, atol=0.01, method="work", rng=0, return_info=True)

figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
bins = np.linspace(-7, -0.5, 90)
ax.hist(forward, bins, density=True, color=BLUE, alpha=0.6, label="work from I to A")
ax.hist(-back, bins, density=True, color=ORANGE, alpha=0.6, label="minus the work from A to I")
ax.axvline(np.linalg.slogdet(A)[1] / 2, color=GREY, linestyle="--", label="½ ln det A")
title = f"ln det A = {logabsdet:.3f} ± {info.standard_error:.3f}, LAPACK {np.linalg.slogdet(A)[1]:.3f}"
finish(ax, title, "work (T)", "density")
figure.savefig(sys.argv[1] if sys.argv[1:] else "determinant.png")
