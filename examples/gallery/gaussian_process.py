"""A Gaussian process whose draws are readings.

The covariance matrix of the data stands in the device. Its solves give the posterior mean and deviation, those of
scikit-learn, and its fluctuations give functions of the posterior without the root of any matrix.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from thermoapps.gaussian_process import ThermodynamicGPRegressor
from thermolinalg.plotting import BLUE, GREY, SKY, finish

rng = np.random.default_rng(0)
X = np.sort(np.concatenate([rng.uniform(0, 3, 14), rng.uniform(4.6, 8, 16)]))[:, None]
y = np.sin(1.4 * X[:, 0]) + 0.3 * X[:, 0] + 0.15 * rng.standard_normal(30)

model = ThermodynamicGPRegressor(ConstantKernel() * RBF(), alpha=0.02, normalize_y=True, rng=0).fit(X, y)
places = np.linspace(-0.3, 8.6, 120)[:, None]
mean, deviation = model.predict(places, return_std=True)
draws = model.sample_y(places, 5, rng=1)

figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
x = places[:, 0]
ax.fill_between(x, mean - 2 * deviation, mean + 2 * deviation, color=SKY, alpha=0.3, label="± two deviations")
for draw in draws.T:
    ax.plot(x, draw, color=SKY, linewidth=0.8)
ax.plot(x, mean, color=BLUE, linewidth=2, label="posterior mean")
ax.plot(X[:, 0], y, "o", color=GREY, markersize=4, label="data")
finish(ax, "Posterior of 30 data, and five draws of it", "x", "y")
figure.savefig(sys.argv[1] if sys.argv[1:] else "gaussian_process.png")
