"""The error falls with the window.

Averaging longer pays by the square root: ten times the window for a third of the error. The line is the law
sqrt(2T tr A⁻² / T_w), the small points are 40 runs at each length, the large ones their root mean square.
"""

import sys

import numpy as np

import thermolinalg as tla
from thermolinalg import plotting

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 20))
A, b = X.T @ X / 60, rng.standard_normal(20)
truth = np.linalg.solve(A, b)

program = tla.LangevinDevice(loading=tla.AsWritten()).program(tla.operators.Dense(A))
loads = np.repeat(b[:, None], 40, axis=1)  # forty runs side by side
durations = np.geomspace(300, 1e6, 8)
errors = []
for duration in durations:
    averages = program.average(loads, tla.Schedule(burn_in=300, duration=duration), rng=rng).value
    errors.append(np.linalg.norm(averages - truth[:, None], axis=0))

ax = plotting.error_against_time(durations, np.array(errors), eigenvalues=np.linalg.eigvalsh(A))
ax.figure.savefig(sys.argv[1] if sys.argv[1:] else "averaging.png")
