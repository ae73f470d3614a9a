"""From which size on hardware would help.

`tla.plan` turns the runs of a solve into seconds on a device that its data sheet describes, beside Cholesky and
conjugate gradients on a graphics processor. For this matrix of 300 rows hardware would not help; the lines say where
that changes.
"""

import sys

import numpy as np

import thermolinalg as tla
from thermolinalg.hardware import A100

X = np.random.default_rng(0).standard_normal((900, 300))
plan = tla.plan(X.T @ X / 900, rtol=1e-6, hardware="integrated", digital=A100)

ax = plan.plot()
ax.figure.savefig(sys.argv[1] if sys.argv[1:] else "break_even.png")
