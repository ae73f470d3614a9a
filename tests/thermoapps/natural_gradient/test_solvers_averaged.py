"""Curvature averaged over batches, and momentum in the space of rows."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

torch = pytest.importorskip("torch")

from explicit_rows import ExplicitRows, assert_resumes, damped, random_rows  # noqa: E402
from helpers import close  # noqa: E402
from small_problem import DAMPING, batch, flat, mlp  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    Asynchronous,
    Averaged,
    ConjugateGradient,
    Dense,
    ExactGaussNewton,
    InverseFree,
    KroneckerFactored,
    Krylov,
    LineSearch,
    NaturalGradient,
    RefusedStepWarning,
    Spring,
    Thermodynamic,
    Woodbury,
)

SOLVERS = [
    Woodbury(),
    Thermodynamic(time=3.0, start="rest"),
    Krylov(time=3.0, start="rest", rtol=1e-12),
    ConjugateGradient(progress=0.0),
    ConjugateGradient(progress=0.0, space="rows"),
    Dense(),
]


def averaged(factors, memory, batches, directions):
    """Ḡ of the last of these rows, all of it dense."""
    parts = [factors[-1].R.T @ factors[-1].R]
    for rows in factors[-2 : -2 - batches : -1]:
        _, sizes, vectors = torch.linalg.svd(rows.R, full_matrices=False)
        parts.append(vectors[:directions].T @ torch.diag(sizes[:directions] ** 2) @ vectors[:directions])
    weights = [memory**age for age in range(len(parts))]
    return sum(weight * part for weight, part in zip(weights, parts, strict=True)) / sum(weights)


def root_of(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return ExplicitRows(values.clamp(min=0).sqrt()[:, None] * vectors.T)


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
@pytest.mark.parametrize(("batches", "directions"), [(1, 50), (2, 3), (8, 50)])
def test_directions_are_those_of_the_dense_average(solver, batches, directions):
    factors, state, plain_state = [], None, None
    for seed in range(5):
        rows, g = random_rows(6 - seed % 2, 20, seed=seed)
        factors.append(rows)
        direction, state, report = Averaged(solver, 0.7, batches, directions).direction(rows, g, DAMPING, state)
        dense = root_of(averaged(factors, 0.7, batches, directions))
        expected, plain_state, _ = solver.direction(dense, g, DAMPING, plain_state)
        assert close(direction, expected, 1e-7)
        assert f"curvature of {1 + min(seed, batches)} batches" in report.message
    assert len(state["kept"]) == min(5, batches)


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
@pytest.mark.parametrize("wrapper", [Averaged, Spring])
def test_no_memory_is_the_solver_by_itself(wrapper, solver):
    state = plain_state = None
    for seed in range(3):
        rows, g = random_rows(6, 20, seed=seed)
        direction, state, _ = wrapper(solver, memory=0.0).direction(rows, g, DAMPING, state)
        expected, plain_state, _ = solver.direction(rows, g, DAMPING, plain_state)
        assert torch.equal(direction, expected)


def test_leading_directions_of_many_rows():
    """Found by subspace iteration: as much of the trace as there is, to a percent, in single precision too."""
    for dtype in (torch.float32, torch.float64):
        rows, g = random_rows(200, 400, dtype=dtype)
        _, state, _ = Averaged(Woodbury(), directions=20).direction(rows, g, DAMPING)
        (kept,) = state["kept"].values()
        best = torch.linalg.svdvals(rows.R.double())[:20].square().sum()
        assert kept.shape == (20, 400)
        assert kept.dtype == dtype
        assert 0.99 * best <= kept.double().square().sum() <= best * (1 + 1e-5)
        assert float(torch.linalg.eigvalsh(damped(rows, 0.0) - kept.double().T @ kept.double())[0]) > -1e-5


def test_spring_is_kaczmarz_in_the_space_of_rows():
    """d = μ d' + Rᵀ(RRᵀ + λI)⁻¹(ε − μ R d'), for a gradient Rᵀε."""
    state, before = None, torch.zeros(20, dtype=torch.float64)
    for seed in range(4):
        rows, _ = random_rows(5, 20, seed=seed)
        residuals = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        direction, state, _ = Spring(Woodbury(), 0.8).direction(rows, rows.R.T @ residuals, DAMPING, state)
        small = torch.linalg.solve(
            rows.R @ rows.R.T + DAMPING * torch.eye(5, dtype=torch.float64), residuals - 0.8 * rows.R @ before
        )
        before = 0.8 * before + rows.R.T @ small
        assert close(direction, before)


WRAPPED = [
    Averaged(Thermodynamic(time=2.0, temperature=1e-3, rng=0), batches=2, directions=3),
    Averaged(Spring(Woodbury(), 0.5), batches=2),
    Spring(Averaged(Krylov(time=2.0), batches=2), 0.5),
    Asynchronous(Averaged(Woodbury())),
]


@pytest.mark.parametrize("solver", WRAPPED, ids=lambda solver: solver.name)
def test_resumed_and_copied_runs_go_on_bit_by_bit(solver):
    rows, g = random_rows(6, 20)
    assert_resumes(solver, rows, g, DAMPING, 4)

    def steps(model, opt, numbers):
        for number in numbers:
            inputs, targets = batch(seed=number)
            opt.backward(model(inputs), targets)
            opt.step()
            opt.zero_grad()
        return flat(model)

    model = mlp()
    opt = NaturalGradient(model, lr=0.1, damping=DAMPING, solver=solver)
    steps(model, opt, range(4))
    copied, resumed = copy.deepcopy((model, opt)), copy.deepcopy(model)
    again = NaturalGradient(resumed, lr=0.1, damping=DAMPING, solver=solver)
    again.load_state_dict(pickle.loads(pickle.dumps(opt.state_dict())))
    ends = [steps(*one, range(4, 7)) for one in ((model, opt), copied, (resumed, again))]
    for end in ends[1:]:
        assert torch.equal(end, ends[0])


@pytest.mark.parametrize("solver", [Averaged(Woodbury()), Averaged(Krylov(time=2.0)), Spring(Woodbury())], ids=repr)
def test_a_batch_that_is_not_finite_leaves_no_trace(solver):
    models = [mlp(), mlp()]
    opts = [NaturalGradient(model, lr=0.1, damping=DAMPING, solver=solver) for model in models]
    for number in range(5):
        inputs, targets = batch(seed=number)
        for model, opt in zip(models, opts, strict=True):
            if number == 2 and opt is opts[0]:
                before = flat(model)
                opt.backward(model(inputs * math.inf), targets)
                with pytest.warns(RefusedStepWarning):
                    opt.step()
                opt.zero_grad()
                assert torch.equal(flat(model), before)
            opt.backward(model(inputs), targets)
            opt.step()
            opt.zero_grad()
    assert torch.equal(flat(models[0]), flat(models[1]))


def test_frozen_parameters_begin_a_new_average():
    model = mlp()
    opt = NaturalGradient(model, lr=0.1, damping=DAMPING, solver=Averaged(Woodbury()))
    for number in range(4):
        if number == 2:
            model[0].weight.requires_grad_(False)
        inputs, targets = batch(seed=number)
        opt.backward(model(inputs), targets)
        opt.step()
        opt.zero_grad()
    assert opt.report.solver.message == "curvature of 2 batches"


@pytest.mark.parametrize("solver", [KroneckerFactored(), InverseFree(3)], ids=repr)
def test_solvers_of_layers_are_refused(solver):
    with pytest.raises(ValueError, match="layer by layer"):
        Averaged(solver)


@pytest.mark.parametrize(
    ("wrapper", "settings", "match"),
    [
        (Averaged, {"memory": 1.0}, "memory"),
        (Averaged, {"memory": math.nan}, "memory"),
        (Averaged, {"batches": 0}, "batches"),
        (Averaged, {"directions": 1.5}, "directions"),
        (Spring, {"memory": -0.1}, "memory"),
    ],
)
def test_settings_are_checked(wrapper, settings, match):
    with pytest.raises(ValueError, match=match):
        wrapper(Woodbury(), **settings)
    with pytest.raises(TypeError, match="solver must be a Solver"):
        wrapper("Woodbury")


def test_line_searches_act_through_wrappers():
    search = LineSearch()
    model, (inputs, targets) = mlp(), batch()
    solver = Averaged(Spring(ExactGaussNewton(line_search=search)))
    opt = NaturalGradient(model, lr=20.0, damping=DAMPING, solver=solver)
    first = opt.step(lambda: (model(inputs), targets))
    assert solver.line_search is search
    assert opt.report.new_loss < first


def test_batches_without_rows():
    opt_for = {kind: NaturalGradient(mlp(), solver=kind(Woodbury())) for kind in (Averaged, Spring)}
    assert opt_for[Averaged].solver.by_products() is None
    assert opt_for[Spring].solver.by_products() == Spring(Woodbury().by_products())
    rows, g = random_rows(6, 20)
    state = plain = None
    for _ in range(3):
        direction, state, _ = Spring(Woodbury()).by_products().direction(rows, g, DAMPING, state)
        expected, plain, _ = Spring(Woodbury()).direction(rows, g, DAMPING, plain)
        assert close(direction, expected, 1e-5)
