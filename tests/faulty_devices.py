"""Faulty devices: what they read is wrong in one way each, and they say they err by their noise alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from thermolinalg import GeneralDevice, LangevinDevice, Schedule
from thermolinalg.devices.driven import GROUPS
from thermolinalg.operators import Dense, SkewEmbedding
from thermolinalg.simulation.disturbances import PinkNoise

Fault = Callable[[np.ndarray, "Memory"], np.ndarray]
"""``fault(value, memory)``: what is read where an ideal device reads `value`, of shape (d, k)."""


@dataclass
class Memory:
    """What a fault remembers from run to run."""

    rng: np.random.Generator
    runs: int = 0
    last: Any = None
    frozen: dict[str, Any] = field(default_factory=dict)

    def kept(self, name: str, draw: Callable[[], Any]) -> Any:
        """Drawn once."""
        return self.frozen.setdefault(name, draw()) if name not in self.frozen else self.frozen[name]


def _size(value: np.ndarray) -> np.ndarray:
    return abs(value).max(axis=0, initial=0.0)


def _whole(value: np.ndarray) -> float:
    return float(abs(value).max(initial=0.0))


def _node(value: np.ndarray, change: Callable[[np.ndarray], Any]) -> np.ndarray:
    """One node of the middle changed."""
    out, i = value.copy(), len(value) // 2
    out[i] = change(value[i])
    return out


def _stale(value, memory):
    last, memory.last = memory.last, value
    return value if last is None or last.shape != value.shape or memory.runs % 2 else last


def _spikes(value, memory):
    hit = memory.rng.random(value.shape) < 0.05
    return np.where(hit, 1e3 * (_size(value) + 1), value)


def _swapped(value, memory):
    return value[[1, 0, *range(2, len(value))]] if len(value) > 1 else value


def _correlated(value, memory):
    return value + 0.05 * _size(value) * memory.rng.standard_normal((1, value.shape[1]))


def _hums(value, memory):
    phase, nodes = 2 * np.pi * memory.rng.random(), np.arange(len(value))[:, None]
    return value + 0.2 * _whole(value) * np.cos(2.0 * nodes) * np.cos(0.3 * np.arange(value.shape[1]) + phase)


def _flickers(value, memory):
    pink = PinkNoise(0.2 * _whole(value), 1.0, 1e6)
    return value + pink.path(1.0, value.shape[1], len(value), memory.rng).T


def _warms_up(value, memory):
    return value * (1 + 0.3 * np.exp(-4 * np.arange(value.shape[1]) / value.shape[1]))


def _raises(value, memory):
    if memory.rng.random() < 0.3:
        raise OSError("the device does not answer")
    return value


READINGS: dict[str, Fault] = {
    "gain error": lambda value, memory: 1.3 * value,
    "negative gain": lambda value, memory: -value,
    "offset": lambda value, memory: value + 0.1 * _size(value),
    "offset of its own size": lambda value, memory: value + 0.01,
    "stuck node": lambda value, memory: _node(value, lambda v: 0 * v),
    "node stuck high": lambda value, memory: _node(value, lambda v: 0 * v + 1.0),
    "saturates": lambda value, memory: np.clip(value, -0.5 * _size(value), 0.5 * _size(value)),
    "spikes": _spikes,
    "stale readings": _stale,
    "always the first reading": lambda value, memory: memory.kept(f"first {value.shape}", lambda: value),
    "sign of one node": lambda value, memory: _node(value, lambda v: -v),
    "swapped nodes": _swapped,
    "drifts": lambda value, memory: value * (1 + 0.2 * memory.runs),
    "correlated noise": _correlated,
    "reads nothing": lambda value, memory: 0 * value,
    "reads noise": lambda value, memory: _size(value) * memory.rng.standard_normal(value.shape),
    "under-settled": lambda value, memory: 0.6 * value,
    "rounds to three bits": lambda value, memory: np.round(4 * value / (_size(value) + 1e-300)) / 4 * _size(value),
    "NaN once": lambda value, memory: value * (np.nan if memory.runs == 2 else 1.0),
    "NaN from the third run on": lambda value, memory: value * (np.nan if memory.runs > 2 else 1.0),
    "does not answer at times": _raises,
    "huge once": lambda value, memory: value * (1e200 if memory.runs == 2 else 1.0),
    "hum": _hums,
    "1/f noise": _flickers,
    "warms up": _warms_up,
}

LAGS = {"jitter": 0.25}
"""How far a time between two readings, which is none but on average, is off."""


def _perturbed(matrix, rng):
    return matrix * (1 + 0.1 * rng.standard_normal(matrix.shape))


def _rounded(matrix, rng):
    step = abs(matrix).max() / 16
    return np.round(matrix / step) * step


def _another(matrix, rng):
    return matrix + 0.3 * abs(matrix).max() * np.eye(len(matrix))


def _transposed(matrix, rng):
    return matrix.T


MATRICES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "perturbed matrix": _perturbed,
    "rounded matrix": _rounded,
    "shifted matrix": _another,
    "transposed matrix": _transposed,
}

NOISES = {"too small a noise": 1e-6, "too large a noise": 30.0}
"""Factors on the noise that a device reports."""

FAULTS = [*READINGS, *LAGS, *MATRICES, *NOISES]


class Faulty:
    """A simulated device with one fault.

    Parameters
    ----------
    fault : str
    device : LangevinDevice or GeneralDevice
    """

    def __init__(self, fault: str, device: Any = None, seed: int = 0) -> None:
        self.fault, self.device, self.memory = fault, device or LangevinDevice(), Memory(np.random.default_rng(seed))

    @classmethod
    def general(cls, fault: str) -> Faulty:
        """One that takes noise of any covariance."""
        return cls(fault, GeneralDevice())

    def program(self, operator, *, rng=None):
        if self.fault in MATRICES:
            operator = self._miswritten(operator)
        return FaultyProgram(self, self.device.program(operator, rng=rng))

    def _miswritten(self, operator):
        change, rng = MATRICES[self.fault], self.memory.rng
        if isinstance(operator, SkewEmbedding):
            wrong = Dense(change(operator.matrix.dense(), rng), symmetric=False)
            return SkewEmbedding(wrong, operator.alpha)
        wrong = change(operator.dense(), rng)
        return Dense((wrong + wrong.T) / 2 if operator.symmetric else wrong, symmetric=operator.symmetric)


class FaultyProgram:
    """The program of a faulty device; all else is that of the device inside."""

    def __init__(self, device: Faulty, inner: Any) -> None:
        self.faulty, self.inner = device, inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def _read(self, value):
        change, memory = READINGS.get(self.faulty.fault), self.faulty.memory
        if change is None:
            return value
        memory.runs += 1
        with np.errstate(all="ignore"):
            return change(value, memory)

    def average(self, b, schedule, **options):
        reading = self.inner.average(b, schedule, **options)
        factor, replicas = NOISES.get(self.faulty.fault, 1.0), reading.replicas
        told = None if replicas is None else lambda: factor * replicas()
        return replace(reading, value=self._read(reading.value), replicas=told)

    def noise_covariance(self, noise, schedule, **options):
        return self._read(self.inner.noise_covariance(noise, schedule, **options))

    # Of single readings the fault is that of a block (d, n): those of one run, side by side.

    def readings(self, b, schedule, **options):
        reading = self.inner.readings(b, schedule, **options)
        return replace(reading, value=self._read(np.asarray(reading.value).T).T)

    def covariance(self, schedule, *, rng):
        d = self.inner.operator.shape[0]
        spread = self.inner.covariance(schedule, rng=rng)
        x = self.readings(np.zeros(d), schedule, rng=rng, temperature=1.0).value
        return replace(spread, value=np.cov(x.T).reshape(d, d))

    def variances(self, readings, *, rng, progress=False):
        whole = self.covariance(Schedule.for_covariance(readings, self.rate()), rng=rng)
        return replace(whole, value=np.diag(whole.value))

    def readings_along(self, start, log_odds, n, *, rng):
        s = 1 / (1 + np.exp(-log_odds))
        H = self.inner.effective.dense()
        root = np.linalg.cholesky((1 - s) * start * np.eye(len(H)) + s * H)
        x = self._read(np.linalg.solve(root.T, rng.standard_normal((len(H), GROUPS * n))))
        return s * (1 - s) * np.sum(x * (H @ x - start * x), axis=0).reshape(GROUPS, n).mean(axis=1)

    def lagged_covariance(self, noise, lag, schedule, *, rng):
        off = LAGS.get(self.faulty.fault, 0.0)
        early, late = (self.inner.lagged_covariance(noise, lag + s * off, schedule, rng=rng) for s in (-1, 1))
        return self._read((early + late) / 2)
