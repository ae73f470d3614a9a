from __future__ import annotations

import io

import pytest

torch = pytest.importorskip("torch")

from explicit_rows import ExplicitRows, damped, random_rows  # noqa: E402
from helpers import close  # noqa: E402

from thermoapps.natural_gradient.solvers import ConjugateGradient, Dense, Woodbury, relative_residual  # noqa: E402

DAMPING = 0.05
EXACT = [Woodbury(), Dense(), ConjugateGradient(progress=0.0), ConjugateGradient(progress=0.0, space="rows")]


@pytest.mark.parametrize("solver", EXACT, ids=repr)
@pytest.mark.parametrize(("r", "rank"), [(1, None), (7, None), (7, 3), (30, None)])
def test_digital_solvers_agree_with_a_dense_solve(solver, r, rank):
    rows, g = random_rows(r, 20, rank=rank)
    direction, _, report = solver.direction(rows, g, DAMPING)
    assert close(direction, torch.linalg.solve(damped(rows, DAMPING), g))
    assert report.solver == type(solver).__name__
    assert report.device_time == 0
    if report.residual is not None:
        assert report.residual == pytest.approx(relative_residual(rows, direction, g, DAMPING), abs=1e-12)


@pytest.mark.parametrize("solver", EXACT, ids=repr)
def test_zero_gradient_and_dtypes(solver):
    rows, g = random_rows(7, 20, dtype=torch.float32)
    direction, _, _ = solver.direction(rows, torch.zeros_like(g), DAMPING)
    assert not direction.any()
    direction, _, _ = solver.direction(rows, g, DAMPING)
    assert direction.dtype == torch.float32
    assert close(direction.double(), torch.linalg.solve(damped(rows, DAMPING), g.double()), 1e-4)
    half, _, _ = solver.direction(rows, g.bfloat16(), DAMPING)
    assert half.dtype == torch.bfloat16


def test_woodbury_needs_damping_and_survives_rounding():
    rows, g = random_rows(7, 20, rank=3)
    with pytest.raises(ValueError, match="damping > 0"):
        Woodbury().direction(rows, g, 0.0)

    class Rounded(ExplicitRows):
        def gram(self):
            return super().gram() - 1e-9 * torch.eye(7, dtype=torch.float64)

    direction, _, report = Woodbury().direction(Rounded(rows.R), g, 1e-10)
    assert "clipped" in report.message
    assert bool(torch.isfinite(direction).all())
    with pytest.raises(ValueError, match="NaN"):
        Woodbury().direction(ExplicitRows(rows.R * float("nan")), g, DAMPING)


def test_dense_without_damping_gives_the_shortest_solution():
    rows, _ = random_rows(7, 20, rank=3)
    g = rows.R.T @ torch.ones(7, dtype=torch.float64)
    direction, _, report = Dense().direction(rows, g, 0.0)
    assert close(direction, torch.linalg.pinv(damped(rows, 0.0), rtol=1e-10) @ g, 1e-8)
    assert report.rank == 3
    with pytest.raises(ValueError, match="max_parameters"):
        Dense(max_parameters=10).direction(rows, g, DAMPING)


@pytest.mark.parametrize("space", ["parameters", "rows"])
def test_conjugate_gradients_stop_when_progress_does(space):
    rows, g = random_rows(60, 200)
    exact = torch.linalg.solve(damped(rows, 1e-4), g)
    solver = ConjugateGradient(space=space)
    direction, state, report = solver.direction(rows, g, 1e-4)
    assert 10 < report.iterations < 60

    def model(d):
        return float(0.5 * d @ damped(rows, 1e-4) @ d - g @ d)

    assert model(direction) < 0.98 * model(exact)
    warm, _, second = solver.direction(rows, g, 1e-4, state)
    assert model(warm) < 0.98 * model(exact)
    assert second.iterations < report.iterations


def test_conjugate_gradients_take_the_same_way_in_both_spaces():
    rows, g = random_rows(20, 50)
    start = {"direction": torch.linspace(-1, 1, 50, dtype=torch.float64)}
    for iterations in (1, 3, 8):
        ways = [
            ConjugateGradient(max_iterations=iterations, progress=0.0, space=space).direction(rows, g, 0.01, start)
            for space in ("parameters", "rows")
        ]
        assert close(ways[0][0], ways[1][0], 1e-9)
        assert [way[2].iterations for way in ways] == [iterations, iterations]
        assert ways[0][2].residual == pytest.approx(ways[1][2].residual)
        assert ways[0][2].residual == pytest.approx(relative_residual(rows, ways[0][0], g, 0.01))


def test_conjugate_gradients_go_on_from_a_saved_state():
    rows, g = random_rows(20, 50)
    solver = ConjugateGradient(max_iterations=3)
    _, state, _ = solver.direction(rows, g, 0.01)
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert torch.equal(solver.direction(rows, g, 0.01, state)[0], solver.direction(rows, g, 0.01, loaded)[0])


@pytest.mark.parametrize(
    "settings", [{"max_iterations": 0}, {"progress": -1.0}, {"memory": 1.0}, {"space": "elsewhere"}]
)
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        ConjugateGradient(**settings)


@pytest.mark.parametrize("solver", EXACT, ids=repr)
def test_arguments_are_checked(solver):
    rows, g = random_rows(7, 20)
    with pytest.raises(ValueError, match="damping"):
        solver.direction(rows, g, -1.0)
    with pytest.raises(ValueError, match="shape"):
        solver.direction(rows, g[:3], DAMPING)
