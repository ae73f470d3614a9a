from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from explicit_rows import assert_resumes  # noqa: E402
from helpers import close  # noqa: E402

from thermoapps.natural_gradient import KroneckerFactored, Recorder, ThermodynamicKFAC, Woodbury  # noqa: E402
from thermolinalg import Imperfections, LangevinDevice, Overdamped  # noqa: E402

DAMPING = 0.1


def recorded(model, inputs, targets, loss):
    recorder = Recorder(model, keep_factors=True)
    with recorder:
        outputs = model(inputs)
    rows, gradient, _ = recorder.rows(outputs, targets, loss)
    return rows, gradient


def deep_linear(bias=True):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5, bias=bias), nn.Linear(5, 3, bias=bias)).double()


def blocks(rows, model):
    """Diagonal blocks of RᵀR, one for each layer with parameters."""
    R = rows.apply(torch.eye(rows.shape[1], dtype=torch.float64))
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in model if list(layer.parameters())]
    return [part.T @ part for part in R.split(sizes, dim=1)], sizes


def block_solve(rows, gradient, model, damping):
    curvature, sizes = blocks(rows, model)
    parts = zip(curvature, gradient.split(sizes), strict=True)
    return torch.cat([torch.linalg.solve(C + damping * torch.eye(len(C), dtype=C.dtype), g) for C, g in parts])


@pytest.mark.parametrize("approximation", ["expand", "reduce"])
@pytest.mark.parametrize("bias", [False, True])
def test_exact_for_linear_networks_with_squared_loss(bias, approximation):
    model = deep_linear(bias)
    rows, g = recorded(model, torch.randn(6, 4).double(), torch.randn(6, 3).double(), "mse")
    solver = KroneckerFactored(approximation, damping_rule="exact")
    direction, _, report = solver.direction(rows, g, DAMPING)
    assert close(direction, block_solve(rows, g, model, DAMPING))
    assert report.message == ""


def test_exact_for_one_datum():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    rows, g = recorded(model, torch.randn(1, 4).double(), torch.tensor([2]), "cross_entropy")
    direction, _, _ = KroneckerFactored(damping_rule="exact").direction(rows, g, DAMPING)
    assert close(direction, block_solve(rows, g, model, DAMPING))


def test_expand_and_reduce_are_exact_where_they_should_be():
    # Expand: every position is a datum of its own. Reduce: the positions are averaged before the loss.
    torch.manual_seed(2)
    inputs = torch.randn(5, 7, 4).double()
    model = nn.Sequential(nn.Linear(4, 3)).double()
    rows, g = recorded(model, inputs, torch.randn(5, 7, 3).double(), "mse")
    exact = block_solve(rows, g, model, DAMPING)
    expand, _, _ = KroneckerFactored("expand", damping_rule="exact").direction(rows, g, DAMPING)
    assert close(expand, exact)

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(1)

    averaged = nn.Sequential(model[0], Mean())
    rows, g = recorded(averaged, inputs, torch.randn(5, 3).double(), "mse")
    exact = block_solve(rows, g, averaged, DAMPING)
    reduce, _, _ = KroneckerFactored("reduce", damping_rule="exact").direction(rows, g, DAMPING)
    assert close(reduce, exact)
    expand, _, _ = KroneckerFactored("expand", damping_rule="exact").direction(rows, g, DAMPING)
    assert not close(expand, exact, 1e-2)


def test_factored_damping_against_dense_factors():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 3)).double()
    inputs = torch.randn(6, 4).double()
    rows, g = recorded(model, inputs, torch.randint(3, (6,)), "cross_entropy")
    a = torch.cat([inputs, torch.ones(6, 1).double()], 1)
    A = a.T @ a / 6
    p = model(inputs).softmax(1).detach()
    B = (torch.diag_embed(p) - p[:, :, None] * p[:, None, :]).mean(0)
    pi = ((A.trace() / 5) / (B.trace() / 3)).sqrt()
    G = torch.cat([g[:12].view(3, 4), g[12:, None]], 1)
    left = torch.linalg.inv(B + DAMPING**0.5 / pi * torch.eye(3).double())
    right = torch.linalg.inv(A + DAMPING**0.5 * pi * torch.eye(5).double())
    U = left @ G @ right
    direction, state, _ = KroneckerFactored().direction(rows, g, DAMPING)
    assert close(direction, torch.cat([U[:, :4].reshape(-1), U[:, 4]]))
    assert close(state["layers"]["0"]["A"], A)
    assert close(state["layers"]["0"]["B"], B)


def test_factors_are_averaged_and_decomposed_once_in_a_period():
    model = deep_linear()
    batches = [recorded(model, torch.randn(6, 4).double(), torch.randn(6, 3).double(), "mse") for _ in range(4)]
    solver, state, A = KroneckerFactored(decay=0.8, period=3), None, []
    vectors = []
    for rows, g in batches:
        _, state, _ = solver.direction(rows, g, DAMPING, state)
        A.append(state["layers"]["0"]["A"])
        vectors.append(state["layers"]["0"]["vectors A"])
    fresh = [KroneckerFactored().direction(*batch, DAMPING)[1]["layers"]["0"]["A"] for batch in batches]
    assert close(A[1], 0.8 * fresh[0] + 0.2 * fresh[1])
    assert close(A[2], 0.8 * A[1] + 0.2 * fresh[2])
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.equal(vectors[2], vectors[3])


def test_convolutions_have_factors_and_other_layers_exact_blocks():
    torch.manual_seed(4)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.GroupNorm(1, 2), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 36, 3)
    ).double()
    rows, g = recorded(model, torch.randn(5, 1, 6, 6).double(), torch.randint(3, (5,)), "cross_entropy")
    direction, state, report = KroneckerFactored().direction(rows, g, DAMPING)
    assert set(state["layers"]) == {"0", "4"}
    assert "1 of 3" in report.message
    exact = block_solve(rows, g, model, DAMPING)
    assert close(direction[20:24], exact[20:24])
    assert float(direction @ g) > 0


def test_shared_layers_are_one_block():
    torch.manual_seed(5)
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.Tanh(), shared).double()
    rows, g = recorded(model, torch.randn(1, 4).double(), torch.randn(1, 4).double(), "mse")
    direction, state, _ = KroneckerFactored().direction(rows, g, DAMPING)
    assert len(state["layers"]) == 1
    assert direction.shape == g.shape


def test_rows_without_layers_get_the_exact_solution():
    from explicit_rows import random_rows

    rows, g = random_rows(7, 20)
    direction, _, _ = KroneckerFactored().direction(rows, g, DAMPING)
    assert close(direction, Woodbury().direction(rows, g, DAMPING)[0])


@pytest.mark.parametrize("solver", [KroneckerFactored(period=2), ThermodynamicKFAC(rng=1, readings=50)])
def test_a_saved_run_goes_on_bit_by_bit(solver):
    model = deep_linear().float()
    rows, g = recorded(model, torch.randn(6, 4), torch.randn(6, 3), "mse")
    assert g.dtype == torch.float32
    assert_resumes(solver, rows, g, DAMPING, steps=6)


@pytest.mark.parametrize("method", ["inverse", "solve"])
def test_devices_invert_the_factors(method):
    model = deep_linear()
    rows, g = recorded(model, torch.randn(6, 4).double(), torch.randn(6, 3).double(), "mse")
    exact, _, _ = KroneckerFactored().direction(rows, g, DAMPING)
    errors = []
    for readings in (100, 10_000):
        direction, _, report = ThermodynamicKFAC(method=method, readings=readings, rng=0).direction(rows, g, DAMPING)
        errors.append(float((direction - exact).norm() / exact.norm()))
        assert report.device_time > 0
    if method == "solve":
        assert max(errors) < 1e-10
    else:
        # Relative error √((n + 1)/M) of each inverse, n ≤ 6.
        assert errors[0] < 2 * (7 / 100) ** 0.5 * 3
        assert errors[1] < errors[0] / 3


@pytest.mark.parametrize("method", ["inverse", "solve"])
def test_devices_round_as_their_imperfections_say(method):
    model = deep_linear()
    rows, g = recorded(model, torch.randn(6, 4).double(), torch.randn(6, 3).double(), "mse")
    exact, _, _ = KroneckerFactored().direction(rows, g, DAMPING)
    errors = []
    for bits in (4, 8, 12):
        imperfections = Imperfections(matrix_bits=bits, input_bits=bits, output_bits=bits)
        temperature = 1.0 if method == "inverse" else 0.0
        device = LangevinDevice(law=Overdamped(temperature), imperfections=imperfections)
        solver = ThermodynamicKFAC(method=method, device=device, readings=200_000, rng=0)
        direction, _, _ = solver.direction(rows, g, DAMPING)
        errors.append(float((direction - exact).norm() / exact.norm()))
    assert errors[0] > 3 * errors[1]
    assert errors[1] > 3 * errors[2] or method == "inverse"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: KroneckerFactored("mean"), "approximation"),
        (lambda: KroneckerFactored(decay=1.0), "decay"),
        (lambda: KroneckerFactored(period=0), "period"),
        (lambda: KroneckerFactored(damping_rule="none"), "damping_rule"),
        (lambda: ThermodynamicKFAC(method="guess"), "method"),
        (lambda: ThermodynamicKFAC(readings=1), "readings"),
        (lambda: ThermodynamicKFAC(time=-1.0), "time"),
    ],
)
def test_settings_are_checked(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_damping_is_needed():
    model = deep_linear()
    rows, g = recorded(model, torch.randn(6, 4).double(), torch.randn(6, 3).double(), "mse")
    with pytest.raises(ValueError, match="damping > 0"):
        KroneckerFactored().direction(rows, g, 0.0)
