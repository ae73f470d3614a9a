"""Readings are samples.

In equilibrium the voltages are draws of N(A⁻¹b, A⁻¹): whoever holds the precision matrix of a Gaussian in a device has
its sampler. Points are readings far apart in time; the ellipses of the law hold 50, 90 and 99 % of them, and the title
counts.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

import thermolinalg as tla
from thermolinalg.plotting import RED, SKY, finish

A, b = np.array([[2.0, 1.2], [1.2, 1.0]]), np.array([1.0, 0.2])
mean, covariance = np.linalg.solve(A, b), np.linalg.inv(A)
x = tla.sample(A, 1500, b=b, rng=0)

shares = (0.5, 0.9, 0.99)
levels = [-2 * np.log(1 - share) for share in shares]  # quantiles of χ² with two degrees of freedom
distances = np.einsum("ni,ij,nj->n", x - mean, A, x - mean)
inside = ", ".join(f"{100 * np.mean(distances < level):.1f} %" for level in levels)

figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
ax.plot(*x.T, "o", color=SKY, markersize=2.5, alpha=0.6, label="1500 readings")
values, vectors = np.linalg.eigh(covariance)
angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
for level, style in zip(levels, (":", "--", "-"), strict=True):
    height, width = 2 * np.sqrt(level * values)
    ax.add_patch(Ellipse(mean, width, height, angle=angle, fill=False, color=RED, linestyle=style, linewidth=1.6))
finish(ax, f"Within 50, 90, 99 %: {inside}", "voltage of node 1", "voltage of node 2")
figure.savefig(sys.argv[1] if sys.argv[1:] else "sampling.png")
