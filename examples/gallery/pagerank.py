"""PageRank as a linear system.

A web that grew by preference: each new page links to three earlier ones, popular ones first, and some pages link back.
Its PageRank r solves (I − αP) r = (1 − α)/n, with P the matrix of a random surfer: sparse, and far from symmetric.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp

import thermolinalg as tla
from thermolinalg.plotting import BLUE, RED, finish

rng, n, alpha = np.random.default_rng(0), 600, 0.85
links, popular = [], [0, 1, 2]
for page in range(3, n):
    for target in set(rng.choice(popular, 3)):
        links.append((page, target))
        popular += [page, target]
        if rng.random() < 0.3:
            links.append((target, page))
source, target = np.array(links).T
P = sp.coo_array((np.ones(len(links)), (target, source)), shape=(n, n)).tocsr()
out = np.asarray(P.sum(axis=0)).ravel()
dangling = out == 0  # a surfer there starts again
P = P @ sp.diags_array(1 / np.maximum(out, 1))

rank, info = tla.solve(sp.eye_array(n) - alpha * P, np.full(n, 1.0), rng=0, return_info=True)
rank /= rank.sum()  # the lost share of dangling pages is spread evenly

power = np.full(n, 1 / n)
for _ in range(200):
    power = alpha * (P @ power + power[dangling].sum() / n) + (1 - alpha) / n
assert np.allclose(rank, power, rtol=1e-6)

figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
ax.loglog(np.asarray((P > 0).sum(axis=1)).ravel() + 1, rank, "o", color=BLUE, alpha=0.5, markersize=4, label="pages")
ax.axhline(1 / n, color=RED, linestyle="--", label="the average page")
finish(ax, f"PageRank of {n} pages, {len(links)} links", "links to the page, plus one", "PageRank")
figure.savefig(sys.argv[1] if sys.argv[1:] else "pagerank.png")
