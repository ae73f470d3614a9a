"""A linear-Gaussian state-space model with its observations, read once and in units of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from thermoapps.state_space._batches import transposed

__all__ = ["Model", "read_model"]

ROUNDS = 3
ASYMMETRY = 1e-8
NOISELESS = 1e-9
"""Deviation of an observation, as a part of what Q gives it in one step, below which its own noise is no unit."""
INDEFINITE = 1e-10
"""Largest negative eigenvalue of a covariance, as a part of the largest, that counts as rounding."""


@dataclass(frozen=True)
class Model:
    """Everything about a series, each array with a leading axis of time, or with one row there for all times.

    x_{t+1} = F_t x_t + c_t + w_t with w_t ~ N(0, Q_t), y_t = H_t x_t + e_t + v_t with v_t ~ N(0, R_t), and
    x_0 ~ N(mean, covariance), where `diffuse` coordinates have infinite variance.

    Parameters
    ----------
    F, Q : array, shape (1 or n, d, d)
        Transitions and covariances of the states' noise.
    H : array, shape (1 or n, m, d)
        Observed combinations.
    R : array, shape (1 or n, m, m)
        Covariances of the observations' noise.
    y : array, shape (n, m)
        Observations; NaN where there is none.
    offsets : tuple of two arrays, shapes (1 or n, d) and (1 or n, m)
        c and e.
    mean : array, shape (d,)
        Of x_0.
    covariance : array, shape (d, d)
        Of x_0, with zeros in rows and columns of diffuse coordinates.
    diffuse : array of bool, shape (d,)
        Which coordinates of x_0 are diffuse.
    """

    F: np.ndarray
    Q: np.ndarray
    H: np.ndarray
    R: np.ndarray
    y: np.ndarray
    offsets: tuple[np.ndarray, np.ndarray]
    mean: np.ndarray
    covariance: np.ndarray
    diffuse: np.ndarray

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of times, states and observations of a time: (n, d, m)."""
        return self.y.shape[0], self.F.shape[-1], self.y.shape[1]

    @cached_property
    def observed(self) -> np.ndarray:
        """Which observations there are, (n, m)."""
        return np.asarray(~np.isnan(self.y))

    def transitions(self, array: np.ndarray) -> np.ndarray:
        """What leads from t to t + 1, for t = 0 … n − 2, of an array of `F`'s kind."""
        steps = max(self.sizes[0] - 1, 0)
        return np.broadcast_to(array, (steps, *array.shape[1:])) if len(array) == 1 else array[:steps]

    @cached_property
    def observations(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """H (n, m, d), R (n, m, m), y − e (n, m); what is missing is a zero, seen through zeros in unit noise."""
        n, d, m = self.sizes
        seen = self.observed
        y = np.where(seen, self.y - self.offsets[1], 0.0)
        if seen.all():
            return np.broadcast_to(self.H, (n, m, d)), np.broadcast_to(self.R, (n, m, m)), y
        H = np.where(seen[:, :, None], self.H, 0.0)
        R = np.where(seen[:, :, None] & seen[:, None, :], self.R, np.eye(m))
        return H, R, y

    @cached_property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """Powers of two near the sizes of states (d,) and observations (m,)."""
        return _units(self)

    def in_units(self, s: np.ndarray, o: np.ndarray) -> Model:
        """The same in units of states (d,) and observations (m,): powers of two, so that nothing is rounded."""
        return Model(
            self.F * (s / s[:, None]),
            self.Q / (s * s[:, None]),
            self.H * (s / o[:, None]),
            self.R / (o * o[:, None]),
            self.y / o,
            (self.offsets[0] / s, self.offsets[1] / o),
            self.mean / s,
            self.covariance / (s * s[:, None]),
            self.diffuse,
        )

    def until(self, n: int) -> Model:
        """The first n times."""
        cut = {name: getattr(self, name) for name in "FQHRy"}
        cut = {name: array if len(array) == 1 and name != "y" else array[:n] for name, array in cut.items()}
        c, e = (array if len(array) == 1 else array[:n] for array in self.offsets)
        return replace(self, **cut, offsets=(c, e))


def read_model(
    F: Any,
    Q: Any,
    H: Any,
    R: Any,
    y: Any,
    initial_mean: Any,
    initial_covariance: Any,
    inputs: Any = None,
    B: Any = None,
    D: Any = None,
) -> Model:
    """The model of arrays as a user gives them; see `thermoapps.state_space.smooth`."""
    y = _real(y, "y", missing=True)
    if y.ndim not in (1, 2):
        raise ValueError(f"y must have shape (n,) or (n, m), got {y.shape}")
    y = y.reshape(len(y), -1) if y.size else y.reshape(len(y), y.shape[1] if y.ndim == 2 else 1)
    n, m = y.shape
    d = np.shape(F)[-1] if np.ndim(F) else 1
    if d == 0:
        raise ValueError("F has no states; a model needs at least one")
    arrays = {
        "F": _over_time(F, "F", n, (d, d)),
        "Q": _covariances(Q, "Q", n, d),
        "H": _over_time(H, "H", n, (m, d)),
        "R": _covariances(R, "R", n, m),
    }
    mean = np.zeros(d) if initial_mean is None else _real(initial_mean, "initial_mean")
    if mean.shape not in ((d,), ()):
        raise ValueError(f"initial_mean must have shape {(d,)}, got {mean.shape}")
    mean = np.broadcast_to(mean, (d,))
    covariance, diffuse = _initial(initial_covariance, d)
    return Model(
        **arrays, y=y, offsets=_offsets(inputs, B, D, n, (d, m)), mean=mean, covariance=covariance, diffuse=diffuse
    )


def _real(value: Any, name: str, *, missing: bool = False, infinite: bool = False) -> np.ndarray:
    """Real numbers in double precision, finite but for what is allowed."""
    if isinstance(value, np.ma.MaskedArray):
        if not missing:
            raise TypeError(f"{name} is masked; only y may have missing entries")
        value = np.where(np.ma.getmaskarray(value), np.nan, np.ma.getdata(value).astype(float))
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}")
    array = array.astype(float)
    if (np.isnan(array).any() and not missing) or (np.isinf(array).any() and not infinite):
        kinds = "infinity" if missing else "NaN" if infinite else "NaN or infinity"
        raise ValueError(f"{name} holds {kinds}" + ("; missing observations are NaN" if missing else ""))
    return array


def _over_time(value: Any, name: str, n: int, shape: tuple[int, ...]) -> np.ndarray:
    """An array of the shape for all times, or for each, with a leading axis."""
    array = _real(value, name)
    if array.ndim == 0 and shape == (1,) * len(shape):
        array = array.reshape(shape)
    if array.shape == shape:
        return array[None]
    if array.shape == (n, *shape):
        return array
    raise ValueError(f"{name} must have shape {shape}, or {(n, *shape)} to change with time, got {array.shape}")


def _covariances(value: Any, name: str, n: int, size: int) -> np.ndarray:
    """Symmetric positive semidefinite matrices for all times, or for each."""
    array = _over_time(value, name, n, (size, size))
    scales = np.sqrt(np.abs(np.einsum("tii->ti", array)))
    scales = np.where(scales > 0, scales, 1.0)
    correlations = array / (scales[:, :, None] * scales[:, None, :])
    if np.any(np.abs(correlations - transposed(correlations)) > ASYMMETRY * np.abs(correlations).max(initial=1.0)):
        raise ValueError(f"{name} is not symmetric; pass ({name} + {name}ᵀ)/2 if that is meant")
    if array.size and np.any(np.linalg.eigvalsh(correlations)[:, 0] < -INDEFINITE):
        raise ValueError(f"{name} is not positive semidefinite; a covariance has no negative eigenvalue")
    return np.asarray((array + transposed(array)) / 2)


def _initial(value: Any, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of x_0 with zeros where it is diffuse, and where it is."""
    array = _real(value, "initial_covariance", infinite=True)
    if array.ndim == 0:
        array = np.diag(np.full(d, float(array)))
    if array.shape != (d, d):
        raise ValueError(f"initial_covariance must be a number or have shape {(d, d)}, got {array.shape}")
    diffuse = np.isposinf(np.diag(array))
    others = np.where(np.eye(d, dtype=bool), 0.0, array)
    if np.isneginf(array).any() or np.any(others[diffuse]) or np.any(others[:, diffuse]) or np.isinf(others).any():
        raise ValueError("initial_covariance may be infinite on its diagonal, with zeros in that row and column")
    finite = np.where(np.diag(diffuse), 0.0, array)
    return _covariances(finite, "initial_covariance", 1, d)[0], diffuse


def _offsets(inputs: Any, B: Any, D: Any, n: int, sizes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """B u_t and D u_t."""
    if inputs is None:
        if B is not None or D is not None:
            raise ValueError("B and D multiply inputs, which are not given; pass inputs")
        return np.zeros((1, sizes[0])), np.zeros((1, sizes[1]))
    u = _real(inputs, "inputs")
    u = u.reshape(-1, 1) if u.ndim == 1 else u
    if u.ndim != 2 or len(u) != n:
        raise ValueError(f"inputs must have shape ({n},) or ({n}, k), got {np.shape(inputs)}")
    if B is None and D is None:
        raise ValueError("inputs act through B on the states or D on the observations; pass one of them")
    both = []
    for name, matrix, size in (("B", B, sizes[0]), ("D", D, sizes[1])):
        if matrix is None:
            both.append(np.zeros((1, size)))
        else:
            both.append(np.einsum("tij,tj->ti", _over_time(matrix, name, n, (size, u.shape[1])), u))
    return both[0], both[1]


def _units(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of noise, passed on through F and H to what has none."""
    _, d, m = model.sizes
    largest = {name: np.abs(getattr(model, name)).max(axis=0, initial=0.0) for name in "FQHR"}
    F, H = largest["F"], largest["H"]
    s = np.sqrt(np.maximum(np.diag(largest["Q"]), np.diag(model.covariance)))
    o = np.sqrt(np.diag(largest["R"])) if m else np.zeros(0)
    for _ in range(max(d, ROUNDS)):
        if (s > 0).all() and (o > 0).all():
            break
        o = np.where(o > 0, o, (H * s).max(axis=1, initial=0.0))
        s = np.where(s > 0, s, (F * s).max(axis=1, initial=0.0))
        s = np.where(s > 0, s, _smallest(s[:, None], F))
        s = np.where(s > 0, s, _smallest(o[:, None], H))
    with np.errstate(invalid="ignore", over="ignore"):
        seen = np.nanmax(np.abs(model.y), axis=0, initial=0.0)
    s = np.where(s > 0, s, np.where(np.abs(model.mean) > 0, np.abs(model.mean), 1.0))
    # Noise far below what is observed is as good as none; a unit of its own would make H as large as that is small.
    o = np.maximum(o, NOISELESS * (H * np.sqrt(np.diag(largest["Q"]))).max(axis=1, initial=0.0))
    o = np.where(o > 0, o, np.where(seen > 0, seen, 1.0))
    return 2.0 ** np.round(np.log2(s)), 2.0 ** np.round(np.log2(o))


def _smallest(sizes: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Smallest size of a column at which it moves a row by the row's own; zero where it moves none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where((gains > 0) & (sizes > 0), sizes / gains, np.inf)
    least = ratios.min(axis=0, initial=np.inf)
    return np.where(np.isfinite(least), least, 0.0)
