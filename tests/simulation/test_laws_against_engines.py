"""Every engine draws from the law of every device: moments of many draws against closed forms, in standard errors.

The closed forms are written down here once more, from matrix exponentials and sums over single steps, and know nothing
of laws or engines. Plain time stepping, which knows A by its products only, is held against the same forms.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from cases import path
from scipy.sparse.linalg import aslinearoperator

from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped
from thermolinalg.matrix_functions.block import BlockEngine
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.circulant import CirculantEngine
from thermolinalg.matrix_functions.dense import DenseEngine
from thermolinalg.matrix_functions.diagonal import DiagonalEngine
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.kronecker import KroneckerEngine
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.low_rank import LowRankEngine
from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Dense,
    Diagonal,
    Kronecker,
    KroneckerSum,
    LowRankPlusIdentity,
    MatrixFree,
    Normal,
    Sparse,
)
from thermolinalg.simulation import LinearSDE, integrate
from thermolinalg.testing import assert_covariance, assert_mean

D = 6
DRAWS = 4_000
FEWER_DRAWS = 120
"""For engines that pay for each column by products."""
N_SE = 5.0
TEMPERATURE = 0.6
FULL = np.random.default_rng(2).standard_normal((D, 2 * D))
FULL = FULL @ FULL.T / 16 + 0.2 * np.eye(D)
SMALL = np.array([[0.9, 0.3], [0.3, 0.7]])
CHAIN = 0.5 * path(D, 0.2)
LOAD = np.array([[1.0], [-0.5], [0.25], [2.0], [0.0], [-1.0]])
START = np.array([[2.0], [1.0], [-3.0], [0.0], [0.5], [1.5]])

ENGINES = {
    "dense": lambda: DenseEngine(Dense(FULL)),
    "Cholesky": lambda: Factorised(Dense(FULL)),
    "sparse LDLᵀ": lambda: Factorised(Sparse(CHAIN)),
    "low rank": lambda: LowRankEngine(LowRankPlusIdentity(0.6 * FULL[:2], 0.3)),
    "normal": lambda: LowRankEngine(Normal(0.4 * FULL, 0.3)),
    "Kronecker product": lambda: KroneckerEngine(Kronecker(SMALL, FULL[:3, :3], shift=0.2)),
    "Kronecker sum": lambda: KroneckerEngine(KroneckerSum(SMALL, FULL[:3, :3] / 2)),
    "circulant": lambda: CirculantEngine(Circulant([1.0, -0.3, 0.1, 0.05, 0.1, -0.3])),
    "diagonal": lambda: DiagonalEngine(Diagonal([0.2, 0.3, 0.5, 0.8, 1.2, 1.5])),
    "block": lambda: BlockEngine(BlockDiagonal([FULL[:3, :3], Diagonal([0.4, 1.1]), np.array([[0.7]])])),
    "Chebyshev": lambda: ChebyshevEngine(Dense(FULL)),
    "Chebyshev, products": lambda: ChebyshevEngine(MatrixFree(aslinearoperator(CHAIN))),
    "Lanczos": lambda: LanczosEngine(Dense(FULL)),
    "Lanczos, sparse": lambda: LanczosEngine(Sparse(CHAIN)),
}
DEVICES = {
    "overdamped": Overdamped(temperature=TEMPERATURE),
    "underdamped, ringing": Underdamped(temperature=TEMPERATURE, mass=1.5, friction=0.7),
    "underdamped, creeping": Underdamped(temperature=TEMPERATURE, mass=0.5, friction=3.0),
    "Euler–Maruyama": EulerMaruyama(step_size=0.25, temperature=TEMPERATURE),
}


@dataclass(frozen=True)
class Run:
    """What a device is asked for: the state after a time, in equilibrium, or the average over a window too."""

    burn_in: float
    duration: float = 0.0
    readings: int | None = None
    in_equilibrium: bool = False

    def law(self, device):
        if self.burn_in == np.inf:
            return device.stationary()
        return device.window(self.burn_in, self.duration, self.readings) if self.duration else device.step(self.burn_in)

    @property
    def outputs(self):
        return ("average", "state") if self.duration else ("state",)


RUNS = {
    "short step": Run(0.25),
    "step": Run(2.0),
    "stationary": Run(np.inf, in_equilibrium=True),
    "continuous window": Run(0.5, 3.0),
    "window from the start": Run(0.0, 2.0),
    "readings": Run(0.5, 4.0, 8),
    "one reading": Run(0.5, 1.0, 1),
    "continuous window in equilibrium": Run(400.0, 900.0, in_equilibrium=True),
    "independent readings": Run(400.0, 3 * 400.0, 3, in_equilibrium=True),
}


# -- closed forms ----------------------------------------------------------------------------------------------------


def stretch(M, noise, force, t):
    """(P, r, Q) of s ← P s + r + N(0, Q) over a time t of ds = (force − M s) dt + N(0, noise dt)."""
    n = len(M)
    block = np.block([[-M, force], [np.zeros((1, n + 1))]])
    whole = scipy.linalg.expm(block * t)
    # Q by doubling: a block exponential over a long time would overflow.
    halvings = max(0, int(np.ceil(np.log2(max(t * np.linalg.norm(M, 1), 1e-300)))))
    h = t / 2**halvings
    van_loan = scipy.linalg.expm(np.block([[-M, noise], [np.zeros((n, n)), M.T]]) * h)
    P, Q = van_loan[:n, :n], van_loan[:n, n:] @ van_loan[:n, :n].T
    for _ in range(halvings):
        P, Q = P @ P, Q + P @ Q @ P.T
    return whole[:n, :n], whole[:n, n:], Q


class Chain:
    """Mean and covariance of (S, s): s the state, S the sum or the integral of its positions."""

    def __init__(self, start):
        self.n = len(start)
        self.mean = np.concatenate([np.zeros((D, 1)), start])
        self.covariance = np.zeros((D + self.n, D + self.n))

    def move(self, P, r, Q):
        self.mean = P @ self.mean + r
        self.covariance = P @ self.covariance @ P.T + Q

    def step(self, P, r, Q):
        zero = np.zeros((D, self.n))
        self.move(
            np.block([[np.eye(D), zero], [zero.T, P]]),
            np.concatenate([np.zeros((D, 1)), r]),
            scipy.linalg.block_diag(np.zeros((D, D)), Q),
        )

    def read(self):
        P = np.eye(D + self.n)
        P[:D, D : 2 * D] = np.eye(D)
        self.move(P, 0 * self.mean, 0 * self.covariance)

    def moments(self, weight, outputs):
        keep = {"average": slice(0, D), "state": slice(D, 2 * D)}
        rows = np.concatenate([np.arange(2 * D)[keep[name]] for name in outputs])
        scale = np.concatenate([np.full(D, weight), np.ones(D)])[rows]
        return scale * self.mean[rows, 0], np.outer(scale, scale) * self.covariance[np.ix_(rows, rows)]


def dynamics(device, A):
    """Drift, noise and force of the state, the position first, and where it starts."""
    zero = np.zeros((D, D))
    if isinstance(device, Underdamped):
        m, gamma = device.mass, device.friction
        M = np.block([[zero, -np.eye(D)], [A / m, gamma / m * np.eye(D)]])
        noise = scipy.linalg.block_diag(zero, 2 * gamma * TEMPERATURE / m**2 * np.eye(D))
        return M, noise, np.concatenate([0 * LOAD, LOAD / m]), np.concatenate([START, 0 * START])
    return A, 2 * TEMPERATURE * np.eye(D), LOAD, START


def expected(device, A, run):
    """Mean and covariance of the outputs of a run."""
    if run.burn_in == np.inf:
        excess = np.eye(D) if not isinstance(device, EulerMaruyama) else np.eye(D) - A * device.step_size / 2
        return np.linalg.solve(A, LOAD)[:, 0], TEMPERATURE * np.linalg.inv(excess @ A)
    M, noise, force, start = dynamics(device, A)
    chain = Chain(start)
    if isinstance(device, EulerMaruyama):
        h, single = device.step_size, (np.eye(D) - device.step_size * A, device.step_size * LOAD)
        readings = run.readings or round(run.duration / h)
        apart = round(run.duration / readings / h) if run.duration else 1
        reading_steps = {round(run.burn_in / h) + i * apart for i in range(readings)} if run.duration else set()
        last = max(reading_steps, default=round(run.burn_in / h))
        for i in range(last + 1):
            if i in reading_steps:
                chain.read()
            if i < last:
                chain.step(*single, h * noise)
        return chain.moments(1 / max(readings, 1), run.outputs)
    chain.step(*stretch(M, noise, force, run.burn_in))
    if run.duration and run.readings is None:
        n = len(M)
        position = np.eye(D, n)
        augmented = np.block([[np.zeros((D, D)), -position], [np.zeros((n, D)), M]])
        driven = np.concatenate([0 * LOAD, force])
        chain.move(*stretch(augmented, scipy.linalg.block_diag(np.zeros((D, D)), noise), driven, run.duration))
        return chain.moments(1 / run.duration, run.outputs)
    for i in range(run.readings or 0):
        if i:
            chain.step(*stretch(M, noise, force, run.duration / run.readings))
        chain.read()
    return chain.moments(1 / (run.readings or 1), run.outputs)


# -- the table ----------------------------------------------------------------------------------------------------

SMALLEST_STEPS = 2000
TABLE = [
    (engine, device, run)
    for engine in ENGINES
    for device in DEVICES
    for run in RUNS
    # One step after another, the closed form of a long discretised run takes too long.
    if not (device == "Euler–Maruyama" and RUNS[run].duration > SMALLEST_STEPS * 0.25)
]


@pytest.mark.parametrize(("engine", "device", "run"), TABLE)
def test_moments(engine, device, run):
    engine, device, run = ENGINES[engine](), DEVICES[device], RUNS[run]
    law = run.law(device)
    if isinstance(engine, Factorised):
        assert engine.supports(law) == (run.in_equilibrium and not isinstance(device, EulerMaruyama))
    if not engine.supports(law):
        return
    rng = np.random.default_rng(11)
    known = {"x0": START, "b": LOAD, "v0": None}
    draws = FEWER_DRAWS if isinstance(engine, ChebyshevEngine | LanczosEngine) else DRAWS
    inputs = [known[name] if name in known else rng.standard_normal((D, draws)) for name in law.inputs]
    drawn = np.concatenate(engine.apply(law, inputs, run.outputs)).T
    mean, covariance = expected(device, engine.operator.dense(), run)
    assert_mean(drawn, mean, covariance=covariance, n_se=N_SE)
    assert_covariance(drawn, covariance, n_se=N_SE)


def test_the_closed_form_of_the_overdamped_window():
    """The formulas of the law's documentation, mode by mode, against the chain above."""
    A = np.diag([0.2, 0.3, 0.5, 0.8, 1.2, 1.5])
    lam, run = np.diag(A), RUNS["readings"]
    h, n, t0 = run.duration / run.readings, run.readings, run.burn_in
    a, s2 = np.exp(-lam * h), TEMPERATURE / lam
    g = (1 - a**n) / (1 - a)
    mu = LOAD[:, 0] / lam
    mean = mu + (START[:, 0] - mu) * np.exp(-lam * t0) * g / n
    own = s2 * ((1 + a) / (n * (1 - a)) - 2 * a * (1 - a**n) / (n * (1 - a)) ** 2)
    variance = own - s2 * np.exp(-2 * lam * t0) * (g / n) ** 2
    shared = s2 * g / n - s2 * np.exp(-2 * lam * t0) * a ** (n - 1) * g / n
    found_mean, found = expected(DEVICES["overdamped"], A, run)
    np.testing.assert_allclose(found_mean[:D], mean, rtol=1e-10)
    np.testing.assert_allclose(np.diag(found)[:D], variance, rtol=1e-10)
    np.testing.assert_allclose(np.diag(found[:D, D:]), shared, rtol=1e-10)


# -- plain time stepping ---------------------------------------------------------------------------------------------

STEP = 0.01


def stepped(device, t):
    """End states of DRAWS replicas stepped in time, by products with A alone."""
    start = np.repeat(START, DRAWS, axis=1)
    product = aslinearoperator(FULL)
    if isinstance(device, Underdamped):
        options = {"mass": device.mass, "friction": device.friction, "temperature": TEMPERATURE}
        equation, start = LinearSDE.underdamped(product, LOAD, **options), np.concatenate([start, 0 * start])
    else:
        equation = LinearSDE.overdamped(product, LOAD, temperature=TEMPERATURE)
    n = round(t / STEP)
    return integrate(equation, start, step=STEP, n_steps=n, every=n, rng=5)[-1][:D].T


@pytest.mark.parametrize("device", ["overdamped", "underdamped, ringing", "underdamped, creeping"])
@pytest.mark.parametrize("t", [0.5, 4.0])
def test_time_stepping_draws_from_the_same_law(device, t):
    """At a step whose own bias, about λδ/2 of the variance, is below the standard error of these draws."""
    device = DEVICES[device]
    ends = stepped(device, t)
    mean, covariance = expected(device, FULL, Run(t))
    bias = 0.02 * np.abs(mean - START[:, 0])
    difference = np.abs(ends.mean(axis=0) - mean)
    assert np.all(difference <= bias + N_SE * np.sqrt(np.diag(covariance) / len(ends)))
    assert_covariance(ends, covariance, n_se=N_SE + 1)


@pytest.mark.parametrize("t", [0.5, 4.0])
def test_time_stepping_is_the_euler_maruyama_law_exactly(t):
    device = EulerMaruyama(step_size=STEP, temperature=TEMPERATURE)
    mean, covariance = expected(device, FULL, Run(t))
    ends = stepped(DEVICES["overdamped"], t)
    assert_mean(ends, mean, covariance=covariance, n_se=N_SE)
    assert_covariance(ends, covariance, n_se=N_SE)
    law = device.step(t)
    z = np.random.default_rng(6).standard_normal((D, DRAWS))
    (drawn,) = DenseEngine(Dense(FULL)).apply(law, [START, LOAD, z], ["state"])
    assert_mean(drawn.T, mean, covariance=covariance, n_se=N_SE)
    assert_covariance(drawn.T, covariance, n_se=N_SE)
