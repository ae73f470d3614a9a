"""Whether a map known by its products is symmetric (Hermitian): what products with random vectors show.

uᴴ(A v) = (A u)ᴴv for all u and v means A = Aᴴ. Vectors of even entries would see a small block beside huge entries
through the rounding of those only, so they are scaled like 1/sqrt of the rows first.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import column_norms
from thermolinalg.operators._symmetry import Asymmetry

__all__ = ["Evidence", "probe", "refuse_nonlinear"]

MARGIN = 8.0
"""Rounding of one inner product uᴴA v in units of sqrt(d) · eps · Σ|u_i||(A v)_i|: ten times what honest products
leave, so that none is taken for asymmetry; a smaller margin would show smaller asymmetries."""

WIDTH = 2
"""Vectors a probe: the mean of two squares seldom mistakes a row of even entries for a small one."""

SWEEPS = 6
"""Probes at most that look for the scaling; each halves the bits that are missing."""

EVEN = 12.0
"""Bits between the largest and the smallest row of a probe that pass for even rows."""

MANY = 4096
"""Rows up to which that holds; the smallest of d pairs of normal numbers is 1/√d of most."""

LINEAR = 1e-3
"""Share of products by which A(u + v) may differ from A u + A v: finite differences of a Jacobian leave far less."""

SMALL_UNIT = {4: 2.0**-75, 8: 2.0**-600}
"""Size of the first vectors, by bytes of a real number, where vectors of size one overflow."""


class Evidence(NamedTuple):
    """What products with random vectors show.

    Parameters
    ----------
    worst : Asymmetry
        Difference of uᴴA v and (A u)ᴴv, with its ratio to the rounding of the products.
    relative : float
        The same relative to the norms of the scaled vectors and products.
    """

    worst: Asymmetry
    relative: float


def probe(operator: LinearOperator, product: Any, name: str) -> Evidence:
    """Probe a square map.

    Parameters
    ----------
    operator : LinearOperator, shape (d, d)
    product : callable
        ``product(operator, block)``, its product with a block (d, k).
    name : str
        What to call it in errors.

    Raises
    ------
    ValueError
        Products give NaN or infinity.
    """
    d = operator.shape[0]
    dtype = np.dtype(operator.dtype if operator.dtype is not None else np.float64)
    rng = np.random.default_rng(d)

    def draw() -> np.ndarray:
        z = rng.standard_normal((d, WIDTH))
        return z + 1j * rng.standard_normal((d, WIDTH)) if dtype.kind == "c" else z

    z, unit, even = draw(), 1.0, EVEN + max(0.0, 0.5 * math.log2(d / MANY))
    with np.errstate(over="ignore", invalid="ignore"):
        y = product(operator, z)
    if not np.all(np.isfinite(y)):
        unit = SMALL_UNIT[4 if _is_single(dtype) else 8]
        y = _finite(product(operator, unit * z), name)
    scaling = np.full(d, unit)
    for _ in range(SWEEPS):
        sizes = scaling * np.hypot(*np.abs(y).T)  # not by squares, which may leave the range
        bits = np.log2(sizes, where=sizes > 0, out=np.zeros(d))
        if not sizes.all():
            bits[sizes == 0] = np.median(bits[sizes > 0]) if np.any(sizes > 0) else 0.0
        if np.ptp(bits) <= even:
            break
        scaling = scaling * np.exp2(-np.round(bits / 2))
        z = draw()
        y = _finite(product(operator, scaling[:, None] * z), name)
    second = draw()
    z = np.concatenate([z, second], axis=1)
    y = np.concatenate([y, _finite(product(operator, scaling[:, None] * second), name)], axis=1)
    return _evidence(z, scaling[:, None] * y, dtype)


def refuse_nonlinear(operator: LinearOperator, product: Any, name: str) -> None:
    """ValueError where a product with a sum is not the sum of products: no matrix has these products.

    Parameters
    ----------
    operator : LinearOperator, shape (m, n)
    product : callable
        ``product(operator, block)``, its product with a block (n, k).
    name : str
        What to call it in errors.
    """
    u, v = np.random.default_rng(operator.shape[1]).standard_normal((2, operator.shape[1], 1)).astype(operator.dtype)
    v = -v if np.vdot(u, v).real > 0 else v  # of one sign, they would not see what depends on it
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [np.asarray(product(operator, x.copy())) for x in (u, v, u + v)]
        largest = max(float(np.max(abs(part), initial=0.0)) for part in parts)
        parts = [part / largest for part in parts] if 0 < largest < np.inf else parts
        sizes = [float(np.linalg.norm(part)) for part in parts]
        off = float(np.linalg.norm(parts[2] - parts[1] - parts[0]))
    if np.isfinite(off) and off > LINEAR * sum(sizes):
        raise ValueError(
            f"{name} is not linear: {name}(u + v) differs from {name} u + {name} v by {off / sum(sizes):.2g} of them; "
            "its products have to be those of one matrix"
        )


def _is_single(dtype: np.dtype[Any]) -> bool:
    return dtype.name in ("float32", "complex64")


def _finite(y: np.ndarray, name: str) -> np.ndarray:
    if not np.all(np.isfinite(y)):
        raise ValueError(f"products with {name} give NaN or infinity")
    return y


def _evidence(z: np.ndarray, y: np.ndarray, dtype: np.dtype[Any]) -> Evidence:
    """Compare all pairs of vectors z and products y = B z of the scaled map."""
    d = z.shape[0]
    precision = np.finfo(np.float32 if _is_single(dtype) else np.float64).eps
    exponent = int(np.frexp(np.max(np.abs(y), initial=0.0))[1])
    y = y * 2.0 ** (-exponent // 2) * 2.0 ** (-exponent - -exponent // 2)  # near one, as inner products have to be
    forward = z.conj().T @ y
    difference = np.abs(forward - forward.conj().T)
    bound = np.abs(z).T @ np.abs(y)
    norms = np.outer(column_norms(z), column_norms(y))
    rounding = MARGIN * d**0.5 * precision * (bound + bound.T)
    ratios = np.divide(difference, rounding, where=rounding > 0, out=np.zeros_like(rounding))
    relative = np.divide(difference, norms + norms.T, where=norms > 0, out=np.zeros_like(norms))
    place = np.unravel_index(np.argmax(ratios), ratios.shape)
    size = float(np.ldexp(difference[place], exponent))
    return Evidence(Asymmetry(size, None, None, float(ratios[place])), float(relative.max()))
