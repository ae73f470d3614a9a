"""Devices that share no class with the package's: one that forwards, and one that steps through time."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from scipy.special import expit

from thermolinalg._arrays import to_numpy
from thermolinalg.devices import CovarianceReading, Ledger, Reading, Schedule, Spectrum


class Forwarding:
    """Wraps a device and forwards whatever is asked of its programs."""

    def __init__(self, device):
        self.device = device

    def program(self, operator, *, rng=None):
        return ForwardingProgram(self.device.program(operator, rng=rng))


class ForwardingProgram:
    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Stepped:
    """Plain time stepping of dx = −(A x − b) dt + noise by the implicit midpoint rule.

    For a linear drift the rule keeps the stationary covariance exactly, whatever the step.
    """

    def program(self, operator, *, rng=None):
        return SteppedProgram(to_numpy(operator.dense()).astype(float))


class SteppedProgram:
    def __init__(self, matrix):
        self.matrix, self.ledger = matrix, Ledger(programs=1)
        self.real = np.linalg.eigvals(matrix).real
        self.step = 1 / np.linalg.norm(matrix, 2)

    def describe(self):
        return {"engine": "implicit midpoint", "reason": "it has no other"}

    def rate(self):
        if self.real.min() <= 1e-14 * self.real.max():
            raise np.linalg.LinAlgError(f"A is singular: {self.real.min()}")
        return float(self.real.min())

    # -- stepping ---------------------------------------------------------------------------------

    def run(self, matrix, noise, x, load, step, steps, rng):
        """So many steps of copies x (d, n) under a noise of that covariance per unit time."""
        half, eye = step / 2 * matrix, np.eye(len(matrix))
        root = np.linalg.cholesky(step * noise)
        for _ in range(steps):
            kick = root @ rng.standard_normal(x.shape) + step * load
            x = np.linalg.solve(eye + half, (eye - half) @ x + kick)
        self.ledger.record(len(matrix), x.shape[1], step * steps)
        return x

    def equilibrium(self, matrix, noise, n, rng, load=0.0):
        """n copies from rest until the start is forgotten."""
        slowest, fastest = np.linalg.eigvals(matrix).real.min(), np.linalg.norm(matrix, 2)
        steps = math.ceil(20 * fastest / slowest)
        return self.run(matrix, noise, np.zeros((len(matrix), n)), load, 1 / fastest, steps, rng)

    # -- what primitives read ---------------------------------------------------------------------

    def readings(self, b, schedule, *, rng, start=None, temperature=None):
        heat = 1.0 if temperature is None else temperature
        noise = 2 * heat * np.eye(len(self.matrix))
        x = self.equilibrium(self.matrix, noise, schedule.readings, rng, b[:, None])
        return Reading(x.T, schedule.total, schedule)

    def variances(self, readings, *, rng, progress=False):
        schedule = Schedule.for_covariance(readings, self.rate())
        x = self.readings(np.zeros(len(self.matrix)), schedule, rng=rng).value
        return CovarianceReading(x.var(axis=0, ddof=1), schedule.total, schedule)

    # -- drives -----------------------------------------------------------------------------------

    def spectrum(self):
        self.rate()
        return Spectrum(len(self.matrix), self.real.min(), self.real.max(), self.real.mean())

    def held(self, start, s):
        return (1 - s) * start * np.eye(len(self.matrix)) + s * self.matrix

    def form(self, start, x):
        """xᵀ(A − aI)x for each copy."""
        return np.sum(x * (self.matrix @ x - start * x), axis=0)

    def readings_along(self, start, log_odds, n, *, rng):
        s = float(expit(log_odds))
        x = self.equilibrium(self.held(start, s), 2 * np.eye(len(self.matrix)), 8 * n, rng)
        return s * (1 - s) * self.form(start, x).reshape(8, n).mean(axis=1)

    def work(self, drive, steps, n, *, rng):
        progress = drive.progress(np.linspace(0, 1, steps + 1))
        return self.driven(drive.start, progress, n, rng), self.driven(drive.start, progress[::-1], n, rng)

    def driven(self, start, progress, n, rng):
        done = np.zeros(n)
        for before, after in pairwise(progress):
            x = self.equilibrium(self.held(start, before), 2 * np.eye(len(self.matrix)), n, rng)
            done += (after - before) / 2 * self.form(start, x)
        return done

    # -- noise of one's own -----------------------------------------------------------------------

    def independent_readings(self, n):
        return Schedule.for_covariance(n, self.rate())

    def noise_covariance(self, noise, schedule, *, rng):
        x = self.equilibrium(self.matrix, noise, schedule.readings, rng)
        return x @ x.T / schedule.readings

    def lagged_covariance(self, noise, lag, schedule, *, rng):
        early = self.equilibrium(self.matrix, noise, schedule.readings, rng)
        steps = math.ceil(20 * lag / self.step)
        late = self.run(self.matrix, noise, early, 0.0, lag / steps, steps, rng)
        return late @ early.T / schedule.readings
