"""A Gaussian between rails.

Voltages that cannot be negative turn the device into a sampler of a truncated Gaussian, which has no closed form from
two dimensions on. Metropolis's rule (`MALA`) has no error of the step, at the rails either. Lines are levels of the
density that was asked for.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from thermolinalg.plotting import GREY, RED, SKY, finish
from thermolinalg.simulation.nonlinear import MALA, Equation, Network, simulate

A, b = np.array([[2.0, 1.5], [1.5, 2.0]]), np.array([1.0, 0.4])
equation = Equation(Network(A, b), temperature=0.25, lower=0.0)
run = simulate(equation, np.ones((2, 1500)), time=8.0, integrator=MALA(), rng=0)

figure, ax = plt.subplots(figsize=(6.0, 4.4), layout="constrained")
ax.plot(*run.last, "o", color=SKY, markersize=2.5, alpha=0.7, label="1500 replicas")
x, y = np.meshgrid(np.linspace(0, 1.7, 200), np.linspace(0, 1.4, 200))
energy = 0.5 * (A[0, 0] * x**2 + 2 * A[0, 1] * x * y + A[1, 1] * y**2) - b[0] * x - b[1] * y
contours = energy.min() + 0.25 * np.array([0.5, 1.5, 3.0, 5.0])
ax.contour(x, y, energy, contours, colors=RED, linewidths=1.3)
ax.axhline(0, color=GREY, linewidth=2)
ax.axvline(0, color=GREY, linewidth=2)
finish(ax, f"Rails at zero: {100 * run.acceptance:.0f} % of the steps accepted", "voltage 1", "voltage 2")
figure.savefig(sys.argv[1] if sys.argv[1:] else "rails.png")
