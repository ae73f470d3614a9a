"""A rough device as a preconditioner.

`ThermodynamicInverse` is a SciPy `LinearOperator`. Here it holds a copy of A in eight bits with mismatched resistors,
and each of its products is good to a tenth, which takes a few runs: as `M=` of SciPy's own `cg` it saves most of the
products with A, those by which the device's residuals are computed included.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import cg

import thermolinalg as tla
from thermolinalg.plotting import BLUE, RED, finish

rng = np.random.default_rng(0)
q = np.linalg.qr(rng.standard_normal((120, 120)))[0]
A, b = (q * np.geomspace(0.01, 1.0, 120)) @ q.T, rng.standard_normal(120)

coarse = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8, mismatch=0.02, die=1))
M = tla.ThermodynamicInverse(A, rtol=0.1, device=coarse, rng=0)

figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
for name, preconditioner, colour in (("cg", None, BLUE), ("cg, M = device", M, RED)):
    products, residuals = [0], [1.0]

    def note(x):
        """One product of cg, and one for each run of the device."""
        products.append(products[-1] + 1 + (preconditioner.info.n_runs if preconditioner else 0))
        residuals.append(np.linalg.norm(b - A @ x) / np.linalg.norm(b))

    cg(A, b, M=preconditioner, rtol=1e-8, callback=note)
    ax.semilogy(products, residuals, "o-", color=colour, markersize=3, label=f"{name}: {products[-1]} products")
finish(ax, "Conjugate gradients with a device in the loop", "products with A", "‖b − A x‖ / ‖b‖")
figure.savefig(sys.argv[1] if sys.argv[1:] else "preconditioner.png")
