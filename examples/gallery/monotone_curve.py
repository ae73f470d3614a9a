"""A smooth curve that may not fall.

Smoothing with a penalty on the second difference is a linear system; that the curve must not fall makes it a quadratic
program. `solve_qp` takes it as qpsolvers do, and returns what is certified by its residuals and duality gap.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from thermoapps.quadratic_program import solve_qp
from thermolinalg.plotting import BLUE, GREY, RED, finish

rng, n = np.random.default_rng(2), 60
t = np.linspace(0, 1, n)
y = 1 / (1 + np.exp(-12 * (t - 0.4))) + 0.15 * rng.standard_normal(n)

slope = np.diff(np.eye(n), axis=0)
bend = np.diff(np.eye(n), n=2, axis=0)
P, q = np.eye(n) + 3 * bend.T @ bend, -y
free = np.linalg.solve(P, -q)
rising = solve_qp(P, q, G=-slope, h=np.zeros(n - 1), rng=0)
assert np.diff(rising).min() > -1e-8

figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
ax.plot(t, y, "o", color=GREY, markersize=4, label="data")
ax.plot(t, free, color=RED, linestyle="--", label="smooth")
ax.plot(t, rising, color=BLUE, linewidth=2, label="smooth, and rising")
finish(ax, "A quadratic program of 60 unknowns", "dose", "response")
figure.savefig(sys.argv[1] if sys.argv[1:] else "monotone_curve.png")
