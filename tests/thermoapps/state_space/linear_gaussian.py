"""Models to ask about, and what is right: the joint Gaussian of all states and observations in extended precision."""

from types import SimpleNamespace

import mpmath
import numpy as np

FAR = mpmath.mpf(10) ** 80
"""A variance that is infinite to all digits that count."""

DIGITS = 200


def random_model(seed, n=7, d=2, m=2, *, missing=False, singular=(), diffuse=False, changing=False, inputs=False):
    """Arrays as `smooth` takes them."""
    rng = np.random.default_rng(seed)

    def covariance(size, name):
        rank = size - 1 if name in singular else size
        factors = rng.standard_normal((n if changing and name != "P" else 1, size, max(rank, 0)))
        both = factors @ np.swapaxes(factors, 1, 2)
        return both if changing and name != "P" else both[0]

    lead = (n,) if changing else ()
    y = rng.standard_normal((n, m)) * 3
    if missing:
        y[rng.random((n, m)) < 0.3] = np.nan
        y[n // 2] = np.nan
    model = {
        "F": rng.standard_normal((*lead, d, d)),
        "Q": covariance(d, "Q"),
        "H": rng.standard_normal((*lead, m, d)),
        "R": covariance(m, "R"),
        "y": y,
        "initial_mean": rng.standard_normal(d),
        "initial_covariance": np.diag(np.full(d, np.inf)) if diffuse else covariance(d, "P"),
    }
    if inputs:
        model |= {
            "inputs": rng.standard_normal((n, 1)),
            "B": rng.standard_normal((d, 1)),
            "D": rng.standard_normal((m, 1)),
        }
    return model


def _matrix(array):
    array = np.atleast_2d(np.asarray(array, dtype=float))
    return mpmath.matrix([[mpmath.mpf(float(entry)) for entry in row] for row in array])


def _numbers(matrix):
    return np.array([[float(matrix[i, j]) for j in range(matrix.cols)] for i in range(matrix.rows)])


def _each(array, n, shape):
    array = np.asarray(array, dtype=float)
    return (
        array
        if array.ndim == len(shape) + 1 and len(array) == n
        else np.broadcast_to(array.reshape(shape), (n, *shape))
    )


def joint(F, Q, H, R, y, initial_covariance, initial_mean=None, inputs=None, B=None, D=None):
    """Means, covariances, those of neighbours, log-likelihood: of all states given all observations."""
    with mpmath.workdps(DIGITS):
        y = np.asarray(y, dtype=float)
        y = y.reshape(len(y), -1)
        n, m = y.shape
        d = np.shape(F)[-1] if np.ndim(F) else 1
        F, Q = _each(F, n, (d, d)), _each(Q, n, (d, d))
        H, R = _each(H, n, (m, d)), _each(R, n, (m, m))
        c, e = np.zeros((n, d)), np.zeros((n, m))
        u = None if inputs is None else np.reshape(inputs, (n, -1))
        c = c if B is None else u @ np.asarray(B).T
        e = e if D is None else u @ np.asarray(D).T
        P = np.asarray(initial_covariance, dtype=float)
        P = np.diag(np.full(d, float(P))) if P.ndim == 0 else P
        diffuse = np.isinf(np.diag(P))
        start = _matrix(np.where(np.isinf(P), 0, P))
        for i in np.flatnonzero(diffuse):
            start[int(i), int(i)] = FAR
        mean = mpmath.zeros(n * d, 1)
        full = mpmath.zeros(n * d, n * d)
        mean[:d, 0] = _matrix(np.zeros(d) if initial_mean is None else initial_mean).T
        full[:d, :d] = start
        for t in range(1, n):
            a, b, A = slice((t - 1) * d, t * d), slice(t * d, (t + 1) * d), _matrix(F[t - 1])
            mean[b, 0] = A * mean[a, 0] + _matrix(c[t - 1]).T
            full[b, : t * d] = A * full[a, : t * d]
            full[: t * d, b] = full[b, : t * d].T
            full[b, b] = A * full[a, b] + _matrix(Q[t - 1])
        places = [(t, j) for t in range(n) for j in range(m) if not np.isnan(y[t, j])]
        k = len(places)
        G, noise, short = mpmath.zeros(k, n * d), mpmath.zeros(k, k), mpmath.zeros(k, 1)
        for row, (t, j) in enumerate(places):
            for i in range(d):
                G[row, t * d + i] = mpmath.mpf(float(H[t, j, i]))
            for column, (s, i) in enumerate(places):
                noise[row, column] = mpmath.mpf(float(R[t, j, i])) if s == t else mpmath.mpf(0)
            short[row] = mpmath.mpf(float(y[t, j])) - mpmath.mpf(float(e[t, j]))
        likelihood = mpmath.mpf(0)
        if k:
            short = short - G * mean
            cross = full * G.T
            S = G * cross + noise
            inverse = S**-1
            gain, weighed = cross * inverse, inverse * short
            likelihood = -(mpmath.log(mpmath.det(S)) + (short.T * weighed)[0] + k * mpmath.log(2 * mpmath.pi)) / 2
            likelihood += int(diffuse.sum()) * mpmath.log(FAR) / 2
            mean = mean + gain * short
            full = full - gain * cross.T
        means, all_P = _numbers(mean).reshape(n, d), _numbers(full).reshape(n, d, n, d)
        return SimpleNamespace(
            means=means,
            covariances=np.array([all_P[t, :, t] for t in range(n)]),
            cross_covariances=np.array([all_P[t, :, t + 1] for t in range(n - 1)]).reshape(n - 1, d, d),
            log_likelihood=float(likelihood),
        )


def plain_smoother(F, Q, H, R, y, initial_mean, initial_covariance):
    """The recursions of Kalman, and of Rauch, Tung and Striebel, as they are in every book."""
    n, d = len(y), len(F)
    filtered, predicted = [], []
    m, P, value = initial_mean, initial_covariance, 0.0
    for t in range(n):
        predicted.append((m, P))
        seen = ~np.isnan(y[t])
        S = H[seen] @ P @ H[seen].T + R[np.ix_(seen, seen)]
        K = np.linalg.solve(S, H[seen] @ P).T
        v = y[t, seen] - H[seen] @ m
        value -= 0.5 * (v @ np.linalg.solve(S, v) + np.linalg.slogdet(S)[1] + seen.sum() * np.log(2 * np.pi))
        m, P = m + K @ v, (np.eye(d) - K @ H[seen]) @ P
        filtered.append((m, P))
        m, P = F @ m, F @ P @ F.T + Q
    smoothed = [filtered[-1]]
    for (m, P), (next_m, next_P) in zip(filtered[-2::-1], predicted[:0:-1], strict=True):
        G = np.linalg.solve(next_P, F @ P).T
        smoothed.append((m + G @ (smoothed[-1][0] - next_m), P + G @ (smoothed[-1][1] - next_P) @ G.T))
    arrays = [np.array(part) for pairs in (filtered, smoothed[::-1]) for part in zip(*pairs, strict=True)]
    return SimpleNamespace(filtered=arrays[:2], means=arrays[2], covariances=arrays[3], log_likelihood=value)


COMPANION = {
    "F": [[0.5, 0.3, 0.1], [1, 0, 0], [0, 1, 0]],
    "Q": np.diag([1.0, 0, 0]),
    "H": [[1.0, 0, 0]],
    "y": [1.0, 0.5, np.nan, 2.0, -1.0, 0.3],
}
TREND = {"F": [[1.0, 1.0], [0.0, 1.0]], "H": [[1.0, 0.0]], "y": [0.0, 1.0, 4.0, 9.0, np.nan, 25.0, 36.0, 50.0]}
TURNING = {
    "F": [[0.9, 0.2], [-0.1, 0.8]],
    "Q": [[1.0, 0.3], [0.3, 0.5]],
    "H": [[1.0, 0.5]],
    "y": [1.0, 2.0, -1.0, np.nan, 4.0, 0.5],
}

CASES = {
    "regular": random_model(0),
    "missing": random_model(1, missing=True),
    "changing": random_model(2, changing=True, missing=True),
    "inputs": random_model(3, inputs=True, missing=True),
    "singular Q": random_model(4, singular="Q"),
    "singular R": random_model(5, singular="R"),
    "singular P": random_model(6, singular="P"),
    "all singular": random_model(7, d=3, singular="QRP"),
    "diffuse": random_model(8, d=3, diffuse=True, missing=True),
    "diffuse, singular": random_model(9, d=3, diffuse=True, singular="QR"),
    "many observations": random_model(10, n=4, m=4, missing=True),
    "many observations, diffuse": random_model(11, n=4, m=4, diffuse=True),
    "one time": random_model(12, n=1),
    "one time, diffuse": random_model(13, n=1, m=5, diffuse=True),
    "two times": random_model(14, n=2),
    "one state": random_model(15, d=1, m=1, missing=True),
    "known start": random_model(16) | {"initial_covariance": 0.0},
    "partly diffuse": random_model(17, d=2) | {"initial_covariance": np.diag([np.inf, 2.0])},
    "no noise of states": random_model(18) | {"Q": np.zeros((2, 2))},
    "unstable": random_model(19) | {"F": 5 * np.eye(2) + 1.0},
    "autoregression": COMPANION | {"R": [[0.5]], "initial_covariance": 1.0},
    "autoregression, exact": COMPANION | {"R": [[0.0]], "initial_covariance": 1.0},
    "smooth trend": TREND | {"Q": np.diag([0.0, 1e-2]), "R": [[1.0]], "initial_covariance": np.inf},
    "small R": TREND | {"Q": np.diag([1.0, 1e-2]), "R": [[1e-12]], "initial_covariance": np.inf},
    "R far below Q": TURNING | {"R": [[1e-12]], "initial_covariance": 1.0},
    "R as good as none": TURNING | {"R": [[1e-30]], "initial_covariance": 1.0},
    "P far above": TURNING | {"R": [[1.0]], "initial_covariance": 1e16},
    "small Q": TREND | {"Q": np.diag([1e-12, 1e-14]), "R": [[1.0]], "initial_covariance": np.inf},
    "nothing observed": random_model(20, missing=True) | {"y": np.full((7, 2), np.nan)},
    "large mean": random_model(21) | {"y": 1e9 + random_model(21)["y"], "initial_covariance": np.inf},
}
