"""``python -m benchmarks.sampling``: annealing, fields, series and posteriors beside what their fields use."""

from __future__ import annotations

from benchmarks.in_parts import Benchmark

BENCHMARK = Benchmark(
    name="sampling",
    parts={
        "annealing": "Annealing",
        "random_field": "Random fields",
        "state_space": "Filtering and smoothing",
        "bayesian": "Posteriors of generalised linear models",
        "boxes": "Gaussians between rails",
    },
    packages=("numpy", "scipy", "dimod", "dwave-samplers", "simulated-bifurcation", "statsmodels", "scikit-sparse"),
    about="""\
# Benchmarks: sampling

Made by `make bench-sampling` in one run, from `benchmarks/sampling/results.json`; no number on this page is copied by
hand. Every part runs in a process of its own, on {threads} thread of {processor}. Times are CPU times, and everyone
gets the same problems. Versions: {versions}.
""",
)

if __name__ == "__main__":
    BENCHMARK.main()
