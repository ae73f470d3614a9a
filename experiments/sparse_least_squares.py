"""Sparse nonlinear least squares: a pose graph and a bundle adjustment on the device, and how sure they are.

    python experiments/sparse_least_squares.py [--quick]

Beside the device: SciPy's trust region with LSMR, and Gauss–Newton with a sparse LU factorisation of JᵀJ. Variances of
chosen unknowns are read from a device that holds JᵀJ at the minimum, and compared with the factor's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import scipy.sparse as sp
from scipy.optimize import least_squares
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

import thermolinalg as tla
from thermoapps.least_squares import thermodynamic_least_squares
from thermolinalg.files import replacing

mpl.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
TOLERANCES = {"ftol": 1e-8, "xtol": 1e-8, "gtol": 1e-8}


@dataclass
class PoseGraph:
    """Poses (x, y, heading) of a robot that drives along streets, seen from each other; the first one is known.

    Parameters
    ----------
    poses : int
    rng : numpy.random.Generator
    """

    poses: int
    rng: np.random.Generator
    sigma: tuple[float, float] = (0.03, 0.01)

    def __post_init__(self) -> None:
        n, rng = self.poses, self.rng
        turns = np.where(rng.random(n) < 0.15, rng.choice([-1, 1], n), 0) * np.pi / 2
        side = np.sqrt(n) / 2
        truth = np.zeros((n, 3))
        for k in range(1, n):
            heading = truth[k - 1, 2] + turns[k]
            if np.max(abs(truth[k - 1, :2] + [np.cos(heading), np.sin(heading)])) > side:
                heading += np.pi  # streets end at the edge of the town
            truth[k] = [*(truth[k - 1, :2] + [np.cos(heading), np.sin(heading)]), heading]
        near = cKDTree(truth[:, :2]).query_pairs(1.5, output_type="ndarray")
        far = near[abs(near[:, 0] - near[:, 1]) > 10]
        closures = far[rng.random(len(far)) < min(1.0, 1.0 * n / max(len(far), 1))]
        self.edges = np.concatenate([np.stack([np.arange(n - 1), np.arange(1, n)], axis=1), closures])
        self.truth, self.weights = truth, 1 / np.array([self.sigma[0], self.sigma[0], self.sigma[1]])
        exact = self._relative(truth)
        self.measured = exact + rng.standard_normal(exact.shape) / self.weights
        self.start = np.zeros((n, 3))
        for k in range(1, n):  # dead reckoning
            self.start[k] = _ahead(self.start[k - 1], self.measured[k - 1])

    @property
    def x0(self) -> np.ndarray:
        return self.start[1:].ravel()

    def _relative(self, poses: np.ndarray) -> np.ndarray:
        a, b = poses[self.edges[:, 0]], poses[self.edges[:, 1]]
        cos, sin = np.cos(a[:, 2]), np.sin(a[:, 2])
        d = b - a
        return np.stack([cos * d[:, 0] + sin * d[:, 1], -sin * d[:, 0] + cos * d[:, 1], d[:, 2]], axis=1)

    def fun(self, x: np.ndarray) -> np.ndarray:
        poses = np.concatenate([np.zeros((1, 3)), x.reshape(-1, 3)])
        error = self._relative(poses) - self.measured
        error[:, 2] = np.angle(np.exp(1j * error[:, 2]))
        return (error * self.weights).ravel()

    def jac(self, x: np.ndarray) -> sp.csr_array:
        poses = np.concatenate([np.zeros((1, 3)), x.reshape(-1, 3)])
        a, b = poses[self.edges[:, 0]], poses[self.edges[:, 1]]
        cos, sin = np.cos(a[:, 2]), np.sin(a[:, 2])
        dx, dy = (b - a)[:, 0], (b - a)[:, 1]
        zero, one = np.zeros_like(cos), np.ones_like(cos)
        to = np.array([[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]])
        turn = np.array([-sin * dx + cos * dy, -cos * dx - sin * dy, -one])
        of = np.concatenate([-to[:, :2], turn[:, None]], axis=1)
        rows = 3 * np.arange(len(self.edges))
        entries = [
            (block[i, j] * self.weights[i], rows + i, 3 * (self.edges[:, end] - 1) + j)
            for end, block in enumerate([of, to])
            for i in range(3)
            for j in range(3)
        ]
        values, row, column = (np.concatenate(part) for part in zip(*entries, strict=True))
        kept = (column >= 0) & (values != 0)
        shape = (3 * len(self.edges), x.size)
        return sp.csr_array((values[kept], (row[kept], column[kept])), shape=shape)


def _ahead(pose: np.ndarray, move: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return np.array(
        [pose[0] + cos * move[0] - sin * move[1], pose[1] + sin * move[0] + cos * move[1], pose[2] + move[2]]
    )


@dataclass
class Bundle:
    """Cameras around a cloud of points: poses of all but the first and coordinates of all points from their images.

    The distance of the second camera is known, which sets the scale.

    Parameters
    ----------
    cameras, points : int
    rng : numpy.random.Generator
    """

    cameras: int
    points: int
    rng: np.random.Generator
    focal: float = 800.0
    pixel: float = 0.5

    def __post_init__(self) -> None:
        rng, angles = self.rng, 2 * np.pi * np.arange(self.cameras) / self.cameras
        cloud = rng.uniform(-1, 1, (self.points, 3))
        turns = np.stack([np.zeros_like(angles), angles, np.zeros_like(angles)], axis=1)
        poses = np.concatenate([turns, np.tile([0.0, 0.0, 6.0], (self.cameras, 1))], axis=1)
        seen = rng.random((self.cameras, self.points)) < min(1.0, 10 / self.cameras)
        self.camera, self.point = np.nonzero(seen)
        truth = np.concatenate([poses.ravel(), cloud.ravel()])
        self.free = np.ones(truth.size, dtype=bool)
        self.free[[*range(6), 6 + 5]] = False
        self.known, self.truth = truth, truth[self.free]
        exact = self._images(truth)
        self.images = exact + self.pixel * rng.standard_normal(exact.shape)
        scale = np.concatenate([np.full(6 * self.cameras, 0.02), np.full(3 * self.points, 0.1)])
        self.x0 = self.truth + (scale * rng.standard_normal(truth.size))[self.free]

    def _images(self, full: np.ndarray) -> np.ndarray:
        poses = full[: 6 * self.cameras].reshape(-1, 6)[self.camera]
        cloud = full[6 * self.cameras :].reshape(-1, 3)[self.point]
        seen = Rotation.from_rotvec(poses[:, :3]).apply(cloud) + poses[:, 3:]
        return self.focal * seen[:, :2] / seen[:, 2:]

    def fun(self, x: np.ndarray) -> np.ndarray:
        full = self.known.copy()
        full[self.free] = x
        return ((self._images(full) - self.images) / self.pixel).ravel()

    @property
    def sparsity(self) -> sp.csc_array:
        rows = np.arange(2 * self.camera.size).reshape(-1, 2)
        of_camera = [(rows[:, i], 6 * self.camera + j) for i in range(2) for j in range(6)]
        of_point = [(rows[:, i], 6 * self.cameras + 3 * self.point + j) for i in range(2) for j in range(3)]
        row, column = (np.concatenate(part) for part in zip(*of_camera, *of_point, strict=True))
        pattern = sp.csc_array((np.ones(row.size), (row, column)), shape=(rows.size, self.known.size))
        return pattern[:, np.flatnonzero(self.free)]


def gauss_newton(fun: Callable[..., Any], x: np.ndarray, jac: Callable[..., Any]) -> tuple[np.ndarray, int]:
    """The textbook's: JᵀJ factorised afresh in each step, halved until the cost falls."""
    f = fun(x)
    steps, done = 0, False
    while not done and steps < 100:
        jacobian = jac(x)
        p = -splu((jacobian.T @ jacobian).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0).solve(
            jacobian.T @ f
        )
        while (after := fun(x + p)) @ after > f @ f and np.linalg.norm(p) > 1e-12 * np.linalg.norm(x):
            p /= 2
        done = f @ f - after @ after <= 1e-8 * (f @ f)
        x, f, steps = x + p, after, steps + 1
    return x, steps


def compared(name: str, fun: Any, x0: np.ndarray, jac: Any, options: dict[str, Any], chosen: np.ndarray) -> Any:
    """Three solvers on one problem, and variances of chosen unknowns at the device's minimum."""
    row: dict[str, Any] = {"problem": name, "unknowns": int(x0.size), "residuals": int(fun(x0).size)}
    before = time.process_time()
    ours = thermodynamic_least_squares(fun, x0, **options, **TOLERANCES, rng=0)
    row["device"] = _row(ours.cost, ours.nfev, before) | {
        "success": bool(ours.success),
        "device time": float(ours.device_time),
    }
    before = time.process_time()
    digital = least_squares(fun, x0, x_scale="jac", tr_solver="lsmr", **options, **TOLERANCES)
    row["scipy trf, lsmr"] = _row(digital.cost, digital.nfev, before) | {"success": bool(digital.success)}
    before = time.process_time()
    x, steps = gauss_newton(fun, x0, jac)
    row["Gauss-Newton, sparse LU"] = _row(0.5 * float(fun(x) @ fun(x)), steps, before)
    row["largest difference from Gauss-Newton"] = float(np.max(abs(ours.x - x)))
    normal = (ours.jac.T @ ours.jac).tocsc()
    pick = sp.csr_array((np.ones(chosen.size), (np.arange(chosen.size), chosen)), shape=(chosen.size, x0.size))
    before = time.process_time()
    held = tla.program(normal, assume_a="pos", rng=0)
    variances = np.asarray(held.variance_of(pick))
    row["variances"] = {
        "chosen": int(chosen.size),
        "seconds": round(time.process_time() - before, 3),
        "device time": float(held.ledger.device_time),
    }
    before = time.process_time()
    exact = np.sum(pick.toarray() * splu(normal).solve(pick.toarray().T).T, axis=1)
    row["variances"] |= {
        "seconds of the factor": round(time.process_time() - before, 3),
        "largest relative difference": float(np.max(abs(variances / exact - 1))),
    }
    return row, ours, np.sqrt(variances)


def _row(cost: float, evaluations: int, before: float) -> dict[str, Any]:
    seconds = round(time.process_time() - before, 3)
    return {"cost": float(cost), "evaluations": int(evaluations), "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small problems, in seconds")
    parser.add_argument("--results", type=Path, default=ROOT / "experiments" / "results")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args()
    town = PoseGraph(200 if given.quick else 2000, np.random.default_rng(0))
    every = np.linspace(0, town.poses - 2, 12).astype(int)
    chosen = np.concatenate([3 * every, 3 * every + 1])
    graph, found, errors = compared("pose graph", town.fun, town.x0, town.jac, {"jac": town.jac}, chosen)
    bundle = Bundle(8 if given.quick else 24, 60 if given.quick else 600, np.random.default_rng(1))
    options = {"jac": "2-point", "jac_sparsity": bundle.sparsity}
    by_differences = _differences(bundle)
    poses = np.flatnonzero(bundle.free[: 6 * bundle.cameras])
    adjusted, seen, spread = compared(
        "bundle adjustment", bundle.fun, bundle.x0, by_differences, options, np.arange(poses.size)
    )
    z = (seen.x - bundle.truth)[: poses.size] / spread
    adjusted["root mean square of (estimate - truth) / standard error, cameras"] = float(np.sqrt(np.mean(z**2)))
    z = (found.x - town.truth[1:].ravel())[chosen] / errors
    graph["root mean square of (estimate - truth) / standard error, chosen poses"] = float(np.sqrt(np.mean(z**2)))
    for row in (graph, adjusted):
        print(json.dumps(row, indent=1))
    with replacing(given.results / "sparse-least-squares.json", force=True) as stream:
        stream.write((json.dumps([graph, adjusted], indent=1) + "\n").encode())
    picture(given.pictures / "pose-graph.png", town, found.x.reshape(-1, 3), every, errors)


def _differences(bundle: Bundle) -> Callable[[np.ndarray], sp.csr_array]:
    """Jacobians of the bundle for Gauss–Newton: those that the device's search takes."""

    def jac(x: np.ndarray) -> Any:
        how = {"jac_sparsity": bundle.sparsity, "x_scale": "jac", "max_nfev": 1}
        return sp.csr_array(least_squares(bundle.fun, x, **how).jac)

    return jac


def picture(path: Path, town: PoseGraph, found: np.ndarray, chosen: np.ndarray, errors: np.ndarray) -> None:
    """Dead reckoning, the adjusted path, and what the device reads of how sure its poses are."""
    left, right = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")[1]
    left.plot(*town.start[:, :2].T, lw=0.6)
    left.set(title="dead reckoning", aspect="equal")
    right.plot(*found[:, :2].T, lw=0.6)
    ellipse = np.stack([np.cos(np.linspace(0, 2 * np.pi, 60)), np.sin(np.linspace(0, 2 * np.pi, 60))])
    for k, i in enumerate(chosen):
        size = 3 * np.array([errors[k], errors[k + chosen.size]])
        right.plot(*(found[i, :2, None] + size[:, None] * ellipse), "k", lw=1)
    right.set(title="adjusted; three standard errors of some poses", aspect="equal")
    with replacing(path, force=True) as stream:
        plt.gcf().savefig(stream, format="png", dpi=120)
    plt.close("all")


if __name__ == "__main__":
    main()
