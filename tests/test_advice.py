"""Messages recommend only what the raising function takes and what then works: every advice is followed.

An advice is recognised by its form. A message with a recommendation of no known form fails, so that each new one comes
here with the way to follow it.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from helpers import rotated
from numpy.linalg import LinAlgError
from public import A0, B0, FUNCTIONS, Refused, Right, load, numbers, parameters, run, torch_tensor
from scipy.sparse.linalg import LinearOperator
from test_bad_input import ASKED, MATRICES, RIGHT_HAND_SIDES, TABLE, WITH_B

import thermolinalg as tla
from thermolinalg._arrays import is_torch, to_numpy

LOPSIDED = np.array([[2.0, 1.0], [0.0, 3.0]])
INDEFINITE = np.array([[1.0, 2.0], [2.0, 1.0]])


@dataclass(frozen=True)
class Call:
    """A call that was refused.

    Parameters
    ----------
    name : str
        In the table of functions.
    A, b : object
    options : mapping
    """

    name: str
    A: Any
    b: Any = None
    options: Mapping[str, Any] | None = None

    def again(self, A: Any = None, b: Any = None, **options: Any) -> Any:
        """The same with something changed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            return run(
                self.name,
                self.A if A is None else A,
                self.b if b is None else b,
                {**(self.options or {}), **options},
            )

    @property
    def dense(self) -> np.ndarray:
        """A as an array."""
        if scipy.sparse.issparse(self.A):
            return self.A.toarray()
        if hasattr(self.A, "matvec") or isinstance(self.A, tla.operators.Operator):
            return np.asarray(self.A @ np.eye(self.A.shape[1]))
        return np.asarray(to_numpy(self.A))

    @property
    def singular(self) -> bool:
        """Whether A is, to working precision."""
        return np.linalg.matrix_rank(self.dense) < len(self.dense)


def finite(result: Any) -> bool:
    """Whether a result has numbers and no NaN or infinity among them."""
    return all(bool(np.all(np.isfinite(to_numpy(x)))) for x in numbers(result))


# -- how each kind of advice is followed ------------------------------------------------------------------------------


def pass_literal(call, match):
    keyword, value = match["keyword"], ast.literal_eval(match["value"])
    assert keyword in parameters(call.name)
    right = None
    if keyword == "assume_a" and match["condition"] != " if it is symmetric all the same":
        A = call.dense
        upper = np.triu(A) + np.triu(A, 1).conj().T
        right = Right({"sym": upper, "her": upper, "gen": A}[value])
        if value != "gen" and np.linalg.eigvalsh(upper)[0] <= 0:
            with pytest.raises(LinAlgError, match="not positive"):
                call.again(**{keyword: value})
            return
    result = call.again(**{keyword: value})
    assert finite(result)
    assert right is None or FUNCTIONS[call.name].agrees(result, right)


def minimum_norm(call, match):
    b = load(call.dense.shape[0]) if call.b is None else call.b
    x, exact = tla.lstsq(call.A, b, rng=0)[0], np.linalg.pinv(call.dense)
    np.testing.assert_allclose(x, exact @ b, rtol=1e-6, atol=1e-9 * abs(exact).max())
    np.testing.assert_allclose(tla.pinv(call.A, rng=0), exact, rtol=1e-6, atol=1e-9 * abs(exact).max())


def inverse(call, match):
    if call.singular:
        with pytest.raises(tla.SingularError, match="lstsq and pinv"):
            tla.inv(call.A, rng=0)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            result = tla.inv(call.A, rng=0)
        assert FUNCTIONS["inv"].agrees(result, Right(call.dense))


def log_of_determinant(call, match):
    if call.singular:
        with pytest.raises(tla.SingularError):
            tla.logabsdet(call.A, rng=0)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            result = tla.logabsdet(call.A, rng=0)
        assert abs(result - np.linalg.slogdet(call.dense).logabsdet) < 0.1


def logarithm(call, match):
    assert finite(tla.slogdet(call.A, rng=0))


def pass_expression(call, match):
    names = {"A": call.A, "a": call.A, "b": call.b, "cov": call.A, "np": np}
    value = eval(
        match["expression"], {"__builtins__": {"float": float}}, names
    )  # what a message tells the user to write
    name = match["expression"].replace("np.asarray(", "").lstrip("(")[0]
    try:
        assert finite(call.again(**{"b" if name == "b" else "A": value}))
    except (LinAlgError, ValueError, OverflowError) as refusal:
        other = str(refusal)
    else:
        return
    # An array is what was asked for; what it holds is another question.
    assert re.search("singular|never settles|not symmetric|not positive|leaves the range|NaN|square", other)


def bring_home(call, match):
    home = call.A.to_device(call.A.__array_namespace__().Device("CPU_DEVICE"))
    assert finite(call.again(A=np.asarray(home)))


def rescale(call, match):
    A = call.dense
    scale, size = np.longdouble(abs(A).max()), np.longdouble(1.0 if call.b is None else abs(np.asarray(call.b)).max())
    b = None if call.b is None else (np.asarray(call.b, dtype=np.longdouble) / size).astype(float)
    assert finite(call.again(A=(A.astype(np.longdouble) / scale).astype(float), b=b))


def larger_tolerance(call, match):
    assert finite(call.again(atol=1.01 * float(match["atol"])))


ADVICE: dict[str, Callable[[Call, re.Match[str]], None]] = {
    r"(or )?pass (?P<keyword>\w+)=(?P<value>'[^']*'|None|True|False)"
    r"(?P<condition> to use one triangle| to hold any square A| if it is symmetric all the same)?": pass_literal,
    r"lstsq and pinv give the minimum-norm solution": minimum_norm,
    r"rectangular systems: lstsq or pinv": minimum_norm,
    r"pinv\(A\) is its inverse on the range of A": minimum_norm,
    r"inv\(A\) takes any A that is not singular": inverse,
    r"the diagonal of inv\(A\) is that of any A": inverse,
    r"a device cannot see the sign of a determinant, but logabsdet\(A\) gives log\|det A\| of any square A": (
        log_of_determinant
    ),
    r"slogdet\(A\) gives its logarithm": logarithm,
    r"(or )?pass (?P<expression>\(?(np\.asarray\()?[AabM](\.\w+\([^)]*\)|\)| @ np\.eye\([^)]*\]\)| \+ [AabM]\.T\)/2))"
    r"( or a SciPy sparse array| if that is what is meant)?": pass_expression,
    r"pass both as tensors or (?P<expression>b\.numpy\(\))": pass_expression,
    r"pass an array on the host from outside of them, or a torch tensor where gradients or a GPU are needed": (
        bring_home
    ),
    r"scale (A or b|A nearer to 1|q down, or a up)": rescale,
    r"pass atol= above (?P<atol>[\d.e+-]+)": larger_tolerance,
}
"""The forms of advice, and how each is followed."""

RECOMMENDS = re.compile(r"\b(pass|use|try|scale|give it|leave|lstsq|pinv|logabsdet|inv\()\b")
"""Words that no sentence without a recommendation has."""


def follow(call: Call, message: str) -> int:
    """Follow every advice of a message; how many there were."""
    followed = 0
    for form, way in ADVICE.items():
        for match in re.finditer(form, message):
            way(call, match)
            followed += 1
        message = re.sub(form, "", message)
    assert not RECOMMENDS.search(message), f"advice of no known form: {message}"
    return followed


def refused(call: Call) -> str:
    """The message of a call that has to be refused."""
    with pytest.raises((ValueError, TypeError, OverflowError)) as refusal:  # LinAlgError is a ValueError
        call.again()
    return str(refusal.value)


REFUSED = [(row, name) for row, name in TABLE if isinstance(MATRICES[row][1][name], Refused)]


@pytest.mark.thinned(4)
@pytest.mark.parametrize("row", dict.fromkeys(row for row, _ in REFUSED))
def test_advice_about_matrices(row):
    for name in (name for other, name in REFUSED if other == row):
        A = MATRICES[row][0]()
        shape = getattr(A, "shape", ())
        b = load(shape[0] if len(shape) == 2 else 2)
        call = Call(name, A, torch_tensor(b) if is_torch(A) else b)
        follow(call, refused(call))


@pytest.mark.parametrize("row", [row for row, (_, outcome) in RIGHT_HAND_SIDES.items() if isinstance(outcome, Refused)])
def test_advice_about_right_hand_sides(row):
    for name in WITH_B:
        if name != "ThermodynamicInverse":  # SciPy's own checks come first there
            call = Call(name, A0, RIGHT_HAND_SIDES[row][0]())
            follow(call, refused(call))


def test_advice_about_options():
    for option, value, _, name in ASKED:
        call = Call(name, A0, B0, {option: value})
        follow(call, refused(call))


# -- what the tables do not reach -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call("solve", INDEFINITE, B0, {"assume_a": "pos"}), 1),
        (Call("inv", -A0, None, {"assume_a": "pos"}), 1),
        (Call("solve", A0 * (1 + 0.1j), B0, {"assume_a": "pos"}), 1),
        (Call("slogdet", A0, None, {"assume_a": "gen"}), 2),
        (Call("inv_diagonal", A0, None, {"assume_a": "gen"}), 2),
        (Call("sample", A0, None, {"assume_a": "gen"}), 2),
        (Call("sample", None, None, {"cov": LOPSIDED}), 2),
        (Call("det", 1e-200 * np.eye(3)), 1),
        (Call("expm", 40.0 * np.eye(2)), 1),
    ],
    ids=lambda value: value.name if isinstance(value, Call) else "",
)
def test_advice_elsewhere(call, expected):
    if call.name == "sample" and call.A is None:
        message = refused_covariance(call.options["cov"])
        assert "assume_a='sym'" in message
        assert "(cov + cov.T)/2" in message
        assert finite(covariance_samples())
        return
    assert follow(call, refused(call)) == expected


def refused_covariance(cov):
    with pytest.raises(LinAlgError) as refusal:
        tla.sample(cov=cov, size=5)
    return str(refusal.value)


def covariance_samples():
    return (
        tla.sample(cov=(LOPSIDED + LOPSIDED.T) / 2, size=5, rng=0),
        tla.sample(cov=LOPSIDED, assume_a="sym", size=5, rng=0),
    )


@pytest.mark.parametrize("name", ["solve", "langevin", "ThermodynamicInverse", "program", "lstsq"])
def test_a_map_without_its_adjoint(name, monkeypatch):
    monkeypatch.setattr("thermolinalg.operators.read.FORMABLE", 0)  # as if it were too large to be formed
    d = 70
    matrix = np.diag(np.linspace(1, 2, d)) + 0.3 * np.eye(d, k=1)
    A = LinearOperator((d, d), matvec=matrix.__matmul__, dtype=float)
    with pytest.raises(ValueError, match="give it rmatvec") as refusal:
        run(name, A, np.ones(d))
    assert ("pass assume_a='sym'" in str(refusal.value)) == ("assume_a" in parameters(name))
    adjoint = LinearOperator((d, d), matvec=matrix.__matmul__, rmatvec=matrix.T.__matmul__, dtype=float)
    x = numbers(run(name, adjoint, np.ones(d)))[0]
    np.testing.assert_allclose(x, np.linalg.solve(matrix, np.ones(d)), atol=1e-4)
    symmetric = (matrix + matrix.T) / 2
    if "assume_a" in parameters(name):
        A = LinearOperator((d, d), matvec=symmetric.__matmul__, dtype=float)
        x = numbers(run(name, A, np.ones(d), {"assume_a": "sym"}))[0]
        np.testing.assert_allclose(x, np.linalg.solve(symmetric, np.ones(d)), atol=1e-4)


# -- warnings -------------------------------------------------------------------------------------------------------

SPREAD = rotated(np.geomspace(1e-3, 1, 6))
ILL = np.array([[1.0, 1 - 1e-14], [1 - 1e-14, 1.0]])
WARNED = {
    "solve": lambda: tla.solve(A0, B0, maxiter=1, rng=0),
    "solve, ill-conditioned": lambda: tla.solve(ILL, B0, rng=0),
    "solve, single run": lambda: tla.solve(ILL, B0, refine=False, rng=0),
    "solve, batch": lambda: tla.solve(np.stack([A0, A0]), B0, maxiter=1, rng=0),
    "inv": lambda: tla.inv(A0, maxiter=1, rng=0),
    "inv, single run": lambda: tla.inv(ILL, refine=False, rng=0),
    "program": lambda: tla.program(A0, rng=0).solve(B0, maxiter=1),
    "program, inv": lambda: tla.program(A0, rng=0).inv(maxiter=1),
    "ThermodynamicInverse": lambda: tla.ThermodynamicInverse(A0, maxiter=1, rng=0) @ B0,
    "ThermodynamicInverse, columns": lambda: tla.ThermodynamicInverse(A0, maxiter=1, rng=0).matmat(np.eye(2)),
    "ThermodynamicInverse in cg": lambda: scipy.sparse.linalg.cg(
        A0, B0, M=tla.ThermodynamicInverse(A0, maxiter=1, rng=0)
    ),
    "lstsq": lambda: tla.lstsq(A0, B0, maxiter=1, rng=0),
    "pinv": lambda: tla.pinv(A0, maxiter=1, rng=0),
    "solve_continuous_lyapunov": lambda: tla.solve_continuous_lyapunov(A0, np.eye(2), maxiter=1, rng=0),
    "inv_diagonal": lambda: tla.inv_diagonal(ILL, rng=0),
    "slogdet": lambda: tla.slogdet(SPREAD, atol=0.01, max_readings=100, method="work", rng=0),
    "logabsdet": lambda: tla.logabsdet(SPREAD, atol=0.01, max_readings=100, method="work", rng=0),
    "det": lambda: tla.det(ILL, rng=0),
    "sample": lambda: tla.sample(ILL, 3, rng=0),
}


@pytest.mark.parametrize("name", WARNED)
def test_warnings_point_at_the_callers_line(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        WARNED[name]()
    assert caught
    here = {WARNED[name].__code__.co_firstlineno + offset for offset in range(3)}
    for warning in caught:
        assert warning.category is tla.ThermodynamicWarning
        assert warning.filename == __file__
        assert warning.lineno in here


LARGER = {
    "solve": (lambda **options: tla.solve(A0, B0, rng=0, **options), {"maxiter": 1}, {"maxiter": 50, "rtol": 0.3}),
    "inv": (lambda **options: tla.inv(A0, rng=0, **options), {"maxiter": 1}, {"maxiter": 50, "rtol": 0.3}),
    "lstsq": (lambda **options: tla.lstsq(A0, B0, rng=0, **options), {"maxiter": 1}, {"maxiter": 50, "rtol": 0.5}),
    "pinv": (lambda **options: tla.pinv(A0, rng=0, **options), {"maxiter": 1}, {"maxiter": 50, "tol": 0.5}),
    "solve_continuous_lyapunov": (
        lambda **options: tla.solve_continuous_lyapunov(A0, np.eye(2), rng=0, **options),
        {"maxiter": 1},
        {"maxiter": 50, "rtol": 0.5},
    ),
    "slogdet": (
        lambda **options: tla.slogdet(SPREAD, rng=0, **options),
        {"atol": 0.01, "max_readings": 100, "method": "work"},
        {"atol": 2.0, "max_readings": 10**7},
    ),
}


@pytest.mark.parametrize("name", LARGER)
def test_warnings_recommend_what_helps(name):
    call, few, remedies = LARGER[name]
    with pytest.warns(tla.ThermodynamicWarning) as caught:
        call(**few)
    message = str(caught[0].message)
    recommended = re.findall(r"(\w+)=(?:'(\w+)'|(?=[\s,;)(]|$))", message.partition("pass ")[2])
    assert recommended
    for keyword, value in recommended:
        assert keyword in remedies, message
        assert not value or remedies[keyword] == value
        call(**{**few, keyword: remedies[keyword]})  # and no warning is left
