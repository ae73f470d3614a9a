"""``python -m benchmarks.applications``: applications beside the libraries that their users come from."""

from __future__ import annotations

from benchmarks.in_parts import Benchmark

BENCHMARK = Benchmark(
    name="applications",
    parts={
        "least_squares": "Least squares and curve fits",
        "gaussian_process": "Gaussian processes",
        "quadratic_program": "Quadratic programs",
        "linear_models": "Ridge and logistic regression",
        "minimize": "Minima of smooth functions",
        "ir_drop": "IR drop",
    },
    packages=("numpy", "scipy", "scikit-learn", "clarabel", "osqp"),
    about="""\
# Benchmarks: applications

Made by `make bench-apps` in one run, from `benchmarks/applications/results.json`; no number on this page is copied by
hand. Every part runs in a process of its own, on {threads} thread of {processor}, whose load was {load:.1f} when the
run began. Times are CPU times, the least of three calls in turns, so that ratios tell more than seconds do.
Versions: {versions}.

What is timed is a *simulation* of a device, whose time constants are not these seconds. Where ours takes several times
as long, **the digital library is the better choice** unless there is a device.
""",
)

if __name__ == "__main__":
    BENCHMARK.main()
