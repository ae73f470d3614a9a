"""Cells with two wells.

A cell that is pumped beyond threshold has two resting voltages, and noise that carries it from one to the other. There
is no exact law any more; the equation is stepped, many replicas side by side. *Left:* two of them. *Right:* all of them
at the end, against the density exp(−U/T).
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import quad

from thermolinalg.plotting import BLUE, ORANGE, RED, SKY, finish
from thermolinalg.simulation.nonlinear import Equation, Wells, simulate

pump, temperature = 1.0, 0.12
equation = Equation(Wells(pump), temperature)
run = simulate(equation, np.zeros((1, 2000)), time=60.0, readings=300, rng=1)


def density(x):
    """Not normalised: U = x⁴/4 − x²/2."""
    return np.exp(-(x**4 / 4 - pump * x**2 / 2) / temperature)


figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.6), width_ratios=(3, 2), layout="constrained")
for replica, colour in ((0, BLUE), (4, ORANGE)):
    left.plot(run.times, run.x[:, 0, replica], color=colour, linewidth=0.9)
finish(left, "Two replicas of one cell", "time", "voltage", legend=False)
grid = np.linspace(-2, 2, 300)
right.hist(run.last[0], 40, density=True, color=SKY, label="2000 replicas")
right.plot(grid, density(grid) / quad(density, -3, 3)[0], color=RED, label="exp(−U/T)")
finish(right, "In equilibrium", "voltage", "density")
right.legend(frameon=False, fontsize=8, loc="upper center")
right.set_ylim(top=1.35 * right.get_ylim()[1])
figure.savefig(sys.argv[1] if sys.argv[1:] else "wells.png")
