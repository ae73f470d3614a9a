"""The public functions as tables of inputs see them: how each is called, and what its right answer is."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

import thermolinalg as tla
from thermolinalg._arrays import is_sparse_tensor, is_torch, to_numpy

A0 = np.array([[2.0, 1.0], [1.0, 3.0]])
B0 = np.array([1.0, 2.0])


def load(d: int) -> np.ndarray:
    """The right-hand side for a matrix of d rows: 1, 2, …."""
    return np.arange(1.0, d + 1)


# -- outcomes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Right:
    """The answer for scale · matrix and load · (1, 2, …), with a warning that matches where there is one."""

    matrix: Any = field(default_factory=lambda: A0)
    scale: float = 1.0
    load: float = 1.0
    warns: str = ""

    @property
    def inverse(self) -> np.ndarray:
        """Of `matrix`, to the last bit; the pseudo-inverse where that is singular."""
        try:
            with mp.workdps(80):
                return np.array((mp.matrix(np.asarray(self.matrix).tolist()) ** -1).tolist(), dtype=self.dtype)
        except ZeroDivisionError:
            return np.linalg.pinv(self.matrix)

    @property
    def determinant(self) -> Any:
        """Of `matrix`, to the last bit."""
        with mp.workdps(80):
            value = mp.det(mp.matrix(np.asarray(self.matrix).tolist()))
        return complex(value) if self.dtype is complex else float(value)

    @property
    def dtype(self) -> type:
        """Of exact results."""
        return complex if np.iscomplexobj(self.matrix) else float


@dataclass(frozen=True)
class Refused:
    """An error of this kind whose message matches."""

    kind: type[Exception] | tuple[type[Exception], ...]
    match: str


# -- right answers --------------------------------------------------------------------------------------------------


def agrees(found: Any, expected: Any, rtol: float = 1e-4) -> bool:
    """Agreement relative to the largest entry, for numbers of any size."""
    found, expected = np.asarray(to_numpy(found)), np.asarray(expected)
    wide = np.clongdouble if np.iscomplexobj(found) or np.iscomplexobj(expected) else np.longdouble
    found, expected = found.astype(wide), expected.astype(wide)
    return found.shape == expected.shape and bool(np.all(abs(found - expected) <= rtol * abs(expected).max()))


def solution(x, right, rtol=1e-4):
    b = load(len(right.matrix))
    return agrees(x, right.inverse @ b * (np.longdouble(right.load) / np.longdouble(right.scale)), rtol)


def krylov(result, right):
    """The contract of SciPy's cg: a residual of 1e-5."""
    x, b = np.asarray(to_numpy(result[0])), load(len(right.matrix))
    wide = np.clongdouble if np.iscomplexobj(x) or np.iscomplexobj(right.matrix) else np.longdouble
    x = x.astype(wide) * (np.longdouble(right.scale) / np.longdouble(right.load))
    return result[1] == 0 and np.linalg.norm((b - right.matrix @ x).astype(complex)) <= 1.1e-5 * np.linalg.norm(b)


def least_squares(result, right):
    full = np.linalg.cond(right.matrix) < 1e15
    return solution(result[0], right) and result[2] == (len(right.matrix) if full else result[2])


def inverse(x, right, rtol=1e-4):
    return agrees(x, right.inverse / np.longdouble(right.scale), rtol)


def diagonal_of_inverse(x, right):
    return agrees(x, np.diag(right.inverse) / np.longdouble(right.scale), 0.1)


def determinant(x, right):
    return agrees(x, right.determinant * np.longdouble(right.scale) ** len(right.matrix), 0.1)


def log_of_determinant(x, right):
    expected = math.log(abs(right.determinant)) + len(right.matrix) * math.log(right.scale)
    return abs(float(x) - expected) < 0.1


def sign_and_log(result, right):
    sign, logarithm = result
    return complex(sign) == np.sign(right.determinant.real) and log_of_determinant(logarithm, right)


def exponential(x, right):
    return agrees(x, scipy.linalg.expm(right.matrix * right.scale), 0.2)


def exponential_times(x, right):
    return agrees(x, scipy.linalg.expm(right.matrix * right.scale) @ load(len(right.matrix)), 0.2)


def lyapunov(x, right):
    expected = scipy.linalg.solve_continuous_lyapunov(right.matrix, np.eye(len(right.matrix)))
    return agrees(x, expected / np.longdouble(right.scale), max(1e-4, 1e-15 * np.linalg.cond(right.matrix)))


def samples(x, right):
    """The mean of xᴴAx/T is d, to six standard errors of 500 samples, and to rounding where A is ill-conditioned."""
    x, d = np.asarray(to_numpy(x)), len(right.matrix)
    x = x.astype(np.clongdouble if np.iscomplexobj(x) else np.longdouble) * np.longdouble(right.scale) ** 0.5
    mean = float(np.mean(np.sum(x.conj() * (x @ right.matrix.T), axis=1).real)) / d
    return abs(mean - 1) < 6 * (2 / 500 / d) ** 0.5 + 1e-15 * np.linalg.cond(right.matrix)


# -- calls ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A public function, or one way of calling it.

    Parameters
    ----------
    name : str
        Of the function.
    agrees : callable
        ``agrees(result, right)``.
    second : {None, 'b', 'v', 'q', '@', '.solve'}
        What comes beside A: a right-hand side, a vector, the q of a Lyapunov equation, a product with b, a method's b.
    options : mapping
        Always passed.
    """

    name: str
    agrees: Callable[[Any, Right], bool]
    second: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


FUNCTIONS = {
    function.name + (", raw" if "refine" in function.options else ""): function
    for function in (
        Function("solve", solution, "b"),
        Function("solve", lambda x, right: solution(x, right, 0.02), "b", {"refine": False, "rtol": 1e-3}),
        Function("langevin", krylov, "b"),
        Function("lstsq", least_squares, "b"),
        Function("ThermodynamicInverse", solution, "@"),
        Function("program", solution, ".solve"),
        Function("inv", inverse),
        Function("inv", lambda x, right: inverse(x, right, 0.1), None, {"refine": False, "rtol": 1e-2}),
        Function("pinv", inverse),
        Function("inv_diagonal", diagonal_of_inverse),
        Function("det", determinant),
        Function("slogdet", sign_and_log),
        Function("logabsdet", log_of_determinant),
        Function("expm", exponential),
        Function("expm_multiply", exponential_times, "v"),
        Function("solve_continuous_lyapunov", lyapunov, "q"),
        Function("sample", samples, options={"size": 500}),
        Function("explain", lambda result, right: "engine" in str(result).lower()),
        Function("plan", lambda result, right: "recommended" in str(result), options={"rtol": 1e-6}),
    )
}
WITH_B = sorted(name for name, function in FUNCTIONS.items() if function.second in ("b", "@", ".solve"))


def parameters(name: str) -> set[str]:
    """The parameters of a function and, of a prepared device, of its method."""
    function = FUNCTIONS[name]
    targets = [getattr(tla, function.name), *([tla.PreparedDevice.solve] if function.second == ".solve" else [])]
    return {parameter for target in targets for parameter in inspect.signature(target).parameters}


def run(name: str, A: Any, b: Any = None, options: Mapping[str, Any] | None = None) -> Any:
    """Call a function of the table with A, and b where it takes one."""
    function, target = FUNCTIONS[name], getattr(tla, FUNCTIONS[name].name)
    seed = {"rng": 0} if "rng" in parameters(name) else {}
    options = {**seed, **function.options, **(options or {})}
    if function.second == ".solve":
        own = set(inspect.signature(target).parameters)
        later = {key: value for key, value in options.items() if key not in own}
        unknown = later.keys() - parameters(name)
        first = {key: value for key, value in options.items() if key in own or key in unknown}
        return target(A, **first).solve(b, **later)
    if function.second == "@":
        return target(A, **options) @ b
    if function.second == "q":
        d = A.shape[0] if len(getattr(A, "shape", ())) == 2 else 2
        eye = np.eye(d)
        if is_torch(A) and not is_sparse_tensor(A):
            eye = torch_tensor(eye, "float32" if "32" in str(A.dtype) else "float64")
        return target(A, eye, **options)
    return target(A, b, **options) if function.second in ("b", "v") else target(A, **options)


def numbers(result: Any) -> list[Any]:
    """The arrays and numbers in a result."""
    if isinstance(result, tuple):
        return [x for part in result for x in numbers(part)]
    return [result] if isinstance(result, (float, complex, np.ndarray, np.generic)) or is_torch(result) else []


def fingerprint(x: Any) -> Any:
    """What must not change about an input."""
    if scipy.sparse.issparse(x):
        return x.format, x.dtype, x.toarray().tobytes()
    if is_torch(x):
        return x.dtype, x.to_dense().numpy().tobytes()
    return (x.dtype, x.strides, x.tobytes()) if isinstance(x, np.ndarray) else repr(x)


def check(name: str, A: Any, b: Any, outcome: Right | Refused, options: Mapping[str, Any] | None = None) -> None:
    """The outcome is the one stated: no NaN, no change of the inputs, no other warning."""
    before = fingerprint(A), fingerprint(b)
    if isinstance(outcome, Refused):
        with pytest.raises(outcome.kind, match=outcome.match):
            run(name, A, b, options)
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = run(name, A, b, options)
        told = [str(warning.message) for warning in caught]
        assert all(issubclass(warning.category, tla.ThermodynamicWarning) for warning in caught), told
        assert bool(told) == bool(outcome.warns), told
        assert not outcome.warns or any(outcome.warns in text for text in told), told
        assert all(np.all(np.isfinite(to_numpy(x))) for x in numbers(result)), f"{name} gave {result}"
        assert FUNCTIONS[name].agrees(result, outcome), f"{name} gave {result}"
    assert (fingerprint(A), fingerprint(b)) == before, "an input was changed"


def torch_tensor(values: Any, dtype: str = "float64") -> Any:
    """A tensor; the test is skipped where there is no torch."""
    torch = pytest.importorskip("torch")
    return torch.as_tensor(values, dtype=getattr(torch, dtype))
