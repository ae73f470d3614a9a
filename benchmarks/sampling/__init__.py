"""Sampling, inference and annealing on simulated devices, beside what their fields use."""
