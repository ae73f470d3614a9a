"""Data and kernels of every structure, declared once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)

from thermoapps.gaussian_process import Wendland


def scattered(rng: np.random.Generator, d: int = 2) -> np.ndarray:
    return rng.uniform(0, 4, (40, d))


def grid(rng: np.random.Generator, *sizes: int) -> np.ndarray:
    """A full grid of irregular axes, in disorder."""
    axes = [np.sort(rng.uniform(0, 4, size)) for size in sizes]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(sizes))
    return rng.permutation(points)


def plane(rng: np.random.Generator) -> np.ndarray:
    return grid(rng, 6, 7)


def space(rng: np.random.Generator) -> np.ndarray:
    return grid(rng, 3, 4, 3)


def line(rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.linspace(-1, 5, 41))[:, None]


@dataclass(frozen=True)
class Case:
    """A kernel and data, and the form that their covariance matrix takes."""

    kernel: Any
    points: Any
    form: str

    def make(self, seed: int = 0, targets: int = 0) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        X = self.points(rng)
        y = np.sin(X).sum(axis=1) + 0.2 * rng.standard_normal(len(X))
        return X, (y if not targets else np.stack([y, *rng.standard_normal((targets - 1, len(X)))], axis=1))


CASES = {
    "one Gaussian": Case(RBF(1.5), scattered, "dense"),
    "sum": Case(RBF(1.0) + ConstantKernel(0.5) * DotProduct(1.0), scattered, "dense"),
    "Matérn on a grid": Case(Matern(1.5), plane, "dense"),
    "Gaussian on a grid": Case(ConstantKernel(2.0) * RBF([1.0, 2.0]) + WhiteKernel(0.1), plane, "Kronecker product"),
    "Gaussians in space": Case(RBF(1.2) * RBF(3.0, "fixed"), space, "Kronecker product"),
    "incomplete grid": Case(RBF(1.0), lambda rng: plane(rng)[:-1], "dense"),
    "stationary on a line": Case(ConstantKernel(2.0) * Matern(1.5) + WhiteKernel(0.05), line, "Toeplitz"),
    "sum on a line": Case(
        RationalQuadratic(1.0) + 0.3 * ExpSineSquared(1.0, 6.0, periodicity_bounds=(3, 12)) + ConstantKernel(0.2),
        line,
        "Toeplitz",
    ),
    "not stationary on a line": Case(RBF(1.0) + DotProduct(1.0), line, "dense"),
    "irregular line": Case(RBF(1.0), lambda rng: scattered(rng, 1), "dense"),
    "compact support": Case(ConstantKernel(2.0) * Wendland(1.5) + WhiteKernel(0.1), scattered, "sparse"),
    "compact support in space": Case(Wendland(2.5), lambda rng: scattered(rng, 3), "sparse"),
}
STRUCTURED = {name: case for name, case in CASES.items() if case.form != "dense"}
