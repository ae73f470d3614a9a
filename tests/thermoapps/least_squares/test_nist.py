"""NIST's reference problems of nonlinear regression, from both starts, against certified values and SciPy."""

import re
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import least_squares

from thermoapps.least_squares import thermodynamic_least_squares

CERTIFIED_DIGITS = 6


class Reference(NamedTuple):
    """A file of the collection: starts of shape (2, n), certified values and deviations (n,), data (m, columns)."""

    starts: np.ndarray
    certified: np.ndarray
    deviations: np.ndarray
    cost: float
    data: np.ndarray


def read_reference(path):
    """The numbers of a .dat file; the header says in which lines the data are."""
    text = path.read_text(encoding="latin-1")
    rows = re.findall(r"^\s*b\d+\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$", text, re.MULTILINE)
    table = np.array(rows, dtype=float)
    squares = float(re.search(r"Residual Sum of Squares:\s*(\S+)", text)[1])
    first, last = map(int, re.search(r"Data\s+\(lines\s+(\d+)\s+to\s+(\d+)\)", text).groups())
    data = np.loadtxt(text.splitlines()[first - 1 : last], ndmin=2)
    return Reference(table[:, :2].T, table[:, 2], table[:, 3], squares / 2, data)


def waves(b, x):
    def wave(cosine, sine, period):
        return cosine * np.cos(2 * np.pi * x / period) + sine * np.sin(2 * np.pi * x / period)

    return b[0] + wave(b[1], b[2], 12) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6])


def two_peaks(b, x):
    peaks = b[2] * np.exp(-(((x - b[3]) / b[4]) ** 2)) + b[5] * np.exp(-(((x - b[6]) / b[7]) ** 2))
    return b[0] * np.exp(-b[1] * x) + peaks


def three_decays(b, x):
    return b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)


def chwirut(b, x):
    return np.exp(-b[0] * x) / (b[1] + b[2] * x)


def saturation(b, x):
    return b[0] * (1 - np.exp(-b[1] * x))


def cubic_ratio(b, x):
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


MODELS = {
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "BoxBOD": saturation,
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "ENSO": waves,
    "Eckerle4": lambda b, x: b[0] / b[1] * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": two_peaks,
    "Gauss2": two_peaks,
    "Gauss3": two_peaks,
    "Hahn1": cubic_ratio,
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos1": three_decays,
    "Lanczos2": three_decays,
    "Lanczos3": three_decays,
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * np.exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
    "Misra1a": saturation,
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda b, x: b[0] - b[1] * x[0] * np.exp(-b[2] * x[1]),
    "Rat42": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / np.pi,
    "Thurber": cubic_ratio,
}


def digits(x, certified):
    """Fewest decimal digits on which a parameter agrees, 11 at most: those that are certified."""
    error = np.max(abs(x - certified) / abs(certified))
    return 11.0 if error < 1e-11 else -np.log10(error)


def residuals_of(name, data):
    y, x = data[:, 0], data[:, 1:].T
    x = x[0] if len(x) == 1 else x
    y = np.log(y) if name == "Nelson" else y
    return lambda b: MODELS[name](b, x) - y


@pytest.mark.parametrize("start", [0, 1], ids=["far", "near"])
@pytest.mark.parametrize("name", MODELS)
def test_certified_values(data_folder, name, start):
    path = data_folder / "nist_strd" / f"{name}.dat"
    if not path.is_file():
        pytest.skip(f"no {path.name} in the folder of problem data")
    reference = read_reference(path)
    how = {"jac": "cs", "ftol": None, "xtol": 1e-12, "gtol": None, "max_nfev": 2000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # models overflow far from their solutions
        fun = residuals_of(name, reference.data)
        result = thermodynamic_least_squares(fun, reference.starts[start], rng=0, **how)
        standard = scipys(fun, reference.starts[start], how)
    reached = digits(result.x, reference.certified)
    assert result.success
    assert result.device_time > 0
    assert reached >= CERTIFIED_DIGITS
    # Beyond 7.5 digits rounding decides, of the model (Kirby2) or of the file.
    assert standard is None or reached >= min(digits(standard.x, reference.certified), 7.5)
    # Squares of residuals at rounding level (Lanczos1) are not certified by double precision.
    floor = 1e-20 * np.sum(reference.data[:, 0] ** 2)
    assert abs(result.cost - reference.cost) <= 1e-8 * reference.cost + floor
    assert standard is None or result.cost <= standard.cost * (1 + 1e-9) + floor


def scipys(fun, x0, how):
    """SciPy's result, or None where its trust region fails with an error."""
    try:
        return least_squares(fun, x0, x_scale="jac", **how)
    except (ValueError, np.linalg.LinAlgError):
        return None


def test_every_problem_has_a_model(data_folder):
    assert {path.stem for path in (data_folder / "nist_strd").glob("*.dat")} <= set(MODELS)
