"""A matrix that is not symmetric.

Wind carries a substance along a line while it diffuses: the matrix of that is far from symmetric, so that no energy has
it as its curvature. The device holds it in skew couplings, which need no AᵀA and no squared condition number. Points
are one raw run with two standard errors, at every fourth node.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp

import thermolinalg as tla
from thermolinalg.plotting import BLUE, RED, finish

n, wind = 80, 0.4
A = sp.diags_array([-1.0 - wind, 2.05, -1.0 + wind], offsets=[-1, 0, 1], shape=(n, n)).toarray()
source = np.exp(-((np.arange(n) - 20) ** 2) / 20.0)
truth = np.linalg.solve(A, source)

raw, info = tla.solve(A, source, refine=False, rtol=0.2, rng=0, return_info=True)
assert np.allclose(tla.solve(A, source, rng=0), truth)

figure, (above, below) = plt.subplots(2, 1, figsize=(6.4, 4.6), height_ratios=(3, 2), sharex=True, layout="constrained")
node = np.arange(0, n, 4)
above.plot(truth, color=RED, linewidth=2, label="solution")
above.plot(node, raw[node], "o", color=BLUE, markersize=4, label="one run")
finish(above, "Advection and diffusion in skew couplings", "", "concentration")
below.errorbar(node, (raw - truth)[node], 2 * info.standard_error[node], fmt="o", color=BLUE, markersize=4, capsize=2)
below.axhline(0, color=RED)
finish(below, "", "node", "run − solution", legend=False)
figure.savefig(sys.argv[1] if sys.argv[1:] else "general_matrix.png")
