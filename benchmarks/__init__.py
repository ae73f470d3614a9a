"""Thermolinalg beside its peers, in one run: ``python -m benchmarks`` writes results.json and docs/benchmarks.md."""
