"""A device relaxes to the solution.

Six voltages start at rest and end at A⁻¹b, where they keep fluctuating; what is reported is their average over a
window, with its standard error. *Left:* three of the voltages, drawn from the exact law. *Right:* the averages of one
run minus the solution, with two standard errors.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import thermolinalg as tla
from thermolinalg import plotting
from thermolinalg.plotting import BLUE, GREY, finish

rng = np.random.default_rng(1)
X = rng.standard_normal((18, 6))
A, b = X.T @ X / 18, rng.standard_normal(6)
truth = np.linalg.solve(A, b)

device = tla.LangevinDevice(law=tla.Overdamped(temperature=0.01), loading=tla.AsWritten())
schedule = tla.Schedule(burn_in=0.05, readings=600, spacing=0.05)
path = device.program(tla.operators.Dense(A)).readings(b, schedule, rng=rng).value

window = tla.Schedule(burn_in=100, duration=2000)
x, info = tla.solve(A, b, refine=False, schedule=window, device=device, rng=3, return_info=True)

figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.8), layout="constrained")
plotting.trajectory(
    0.05 * np.arange(1, 601),
    path[:, :3],
    solution=truth[:3],
    standard_deviation=np.sqrt(0.01 * np.diag(np.linalg.inv(A)))[:3],
    ax=left,
)
right.errorbar(range(6), x - truth, 2 * info.standard_error, fmt="o", color=BLUE, capsize=3)
right.axhline(0, color=GREY, linestyle="--")
finish(right, "One run, ± two standard errors", "node", "average − solution", legend=False)
figure.savefig(sys.argv[1] if sys.argv[1:] else "relaxation.png")
