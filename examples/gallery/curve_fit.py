"""A curve, and how sure it is.

`thermodynamic_curve_fit` is SciPy's `curve_fit` with its normal equations in a device. At the minimum the fluctuations
of that device are the errors of the parameters: each thin line is one reading, and the band holds 95 % of them.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from thermoapps.least_squares import thermodynamic_curve_fit
from thermolinalg.plotting import BLUE, GREY, SKY, finish

rng = np.random.default_rng(3)
t = np.linspace(0, 6, 25)


def decay(t, amplitude, rate, frequency):
    """A ringing that dies away."""
    return amplitude * np.exp(-rate * t) * np.cos(frequency * t)


y = decay(t, 2.0, 0.35, 2.2) + 0.2 * rng.standard_normal(25)
fit = thermodynamic_curve_fit(decay, t, y, [1.5, 0.3, 2.0], n_samples=1000, rng=0)

grid = np.linspace(0, 8, 200)
lower, upper = fit.band(grid)
figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
ax.fill_between(grid, lower, upper, color=SKY, alpha=0.3, label="95 % band")
for sample in fit.samples[:15]:
    ax.plot(grid, decay(grid, *sample), color=SKY, linewidth=0.6)
ax.plot(grid, decay(grid, *fit.popt), color=BLUE, linewidth=2, label="fit")
ax.plot(t, y, "o", color=GREY, markersize=4, label="data")
errors = np.sqrt(np.diag(fit.pcov))
finish(ax, f"Frequency {fit.popt[2]:.2f} ± {errors[2]:.2f}", "time", "signal")
figure.savefig(sys.argv[1] if sys.argv[1:] else "curve_fit.png")
