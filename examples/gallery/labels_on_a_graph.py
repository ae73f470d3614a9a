"""Labels spread over a graph.

Six labelled points, three for each moon, and three hundred without a label. Joined to their neighbours they are a
network of resistors, and the labels are voltages: where the network comes to rest, each point has a side. One sparse
linear system replaces scikit-learn's iteration.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from thermoapps.semi_supervised import ThermodynamicLabelSpreading
from thermolinalg.plotting import BLUE, ORANGE, finish

X, moon = make_moons(300, noise=0.07, random_state=0)
known = np.concatenate([np.flatnonzero(moon == side)[:3] for side in (0, 1)])
labels = np.full(300, -1)
labels[known] = moon[known]

model = ThermodynamicLabelSpreading(kernel="knn", n_neighbors=7, alpha=0.99, rng=0).fit(X, labels)
right = np.mean(model.transduction_ == moon)

figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
for side, colour in enumerate((BLUE, ORANGE)):
    found = model.transduction_ == side
    ax.plot(*X[found].T, "o", color=colour, markersize=4, alpha=0.6)
    ax.plot(*X[known][moon[known] == side].T, "*", color=colour, markersize=17, markeredgecolor="black")
finish(ax, f"Six labels (stars), {100 * right:.1f} % right", "first feature", "second feature", legend=False)
figure.savefig(sys.argv[1] if sys.argv[1:] else "labels_on_a_graph.png")
