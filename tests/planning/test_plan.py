"""What a plan says is what a solve then books, what arithmetic by hand gives, and what makes both sides even."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from cases import path
from scipy.sparse.linalg import aslinearoperator, cg

import thermolinalg as tla
from thermolinalg.devices import PCB2024, Amplifiers, Capacitors, Converter, Ledger
from thermolinalg.hardware import A100, INTEGRATED, PAPER, PCB, Computer
from thermolinalg.operators import Diagonal, LowRankPlusIdentity, Toeplitz
from thermolinalg.planning import Bits
from thermolinalg.planning.crossover import crossover
from thermolinalg.planning.ways import Direct, OnDevice, cg_iterations, lsqr_iterations

CLOSE = 2.0
"""Factor within which runs and device time are predicted."""


def spd(d: int, condition: float, seed: int = 0) -> np.ndarray:
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    A = (Q * np.geomspace(1 / condition, 1, d)) @ Q.T
    return (A + A.T) / 2


COMPUTER = Computer(
    "of round numbers",
    factor_rate=1e10,
    product_rate=1e9,
    sparse_factor_rate=1e9,
    sparse_product_rate=1e9,
    overhead=1e-6,
    power=10.0,
)

MATRICES = {
    "one": np.array([[3.0]]),
    "dense, κ = 10": spd(100, 10),
    "dense, κ = 1000": spd(100, 1e3),
    "dense, κ = 1e5": spd(200, 1e5),
    "huge numbers": 1e12 * spd(50, 30),
    "single precision": spd(50, 30).astype(np.float32),
    "sparse": path(500, 0.1),
    "matrix-free": aslinearoperator(spd(150, 20)),
    "low rank": LowRankPlusIdentity(np.random.default_rng(1).standard_normal((5, 300)), 1.0),
    "diagonal": Diagonal(np.linspace(1, 2, 50)),
    "Toeplitz": Toeplitz([2.0, -0.5, 0.1] + [0.0] * 60),
    "negative": -spd(30, 10),
    "indefinite": np.diag([1.0, -2.0, 3.0, 4.0, 0.1]),
    "not symmetric": np.random.default_rng(0).standard_normal((60, 60)),
    "complex": spd(30, 10) + 0.01j * (np.tri(30) - np.tri(30).T),
}


def planned(A, b=None, **options) -> tla.Plan:
    return tla.plan(A, b, **({"rtol": 1e-6, "digital": COMPUTER} | options))


# -- predictions against what is booked -------------------------------------------------------------------------------


@pytest.mark.parametrize("rtol", [1e-3, 1e-9])
@pytest.mark.parametrize("name", MATRICES)
def test_the_ledger_is_that_of_the_solve(name, rtol):
    A = MATRICES[name]
    rtol = max(rtol, 1e-5) if name == "single precision" else rtol
    b = np.random.default_rng(5).standard_normal(A.shape[0]).astype(getattr(A, "dtype", float))
    plan = planned(A, b, rtol=rtol)
    _, info = tla.solve(A, b, rtol=rtol, rng=0, return_info=True)
    told, booked = plan.ledger, info.ledger
    assert told.written == booked.written == plan.couplings
    assert told.programs == booked.programs == 1
    assert booked.values_in == plan.nodes * booked.runs
    for field in ("runs", "device_time", "node_time", "coupling_time", "values_in", "values_out"):
        assert 1 / CLOSE <= getattr(told, field) / getattr(booked, field) <= CLOSE, field


def test_several_right_hand_sides_share_the_writing():
    b = np.random.default_rng(5).standard_normal((100, 7))
    plan = planned(MATRICES["dense, κ = 10"], b)
    _, info = tla.solve(MATRICES["dense, κ = 10"], b, rtol=1e-6, rng=0, return_info=True)
    assert plan.ledger.written == info.ledger.written
    assert plan.ledger.runs % 7 == 0
    assert 1 / CLOSE <= plan.ledger.device_time / info.ledger.device_time <= CLOSE


@pytest.mark.parametrize("law", [tla.Underdamped(), tla.Overdamped(temperature=1e-4)])
def test_other_laws_on_the_device(law):
    A, device = MATRICES["sparse"], tla.LangevinDevice(law=law)
    plan = planned(A, device=device)
    b = np.random.default_rng(0).standard_normal(500)
    _, info = tla.solve(A, b, rtol=1e-6, device=device, rng=0, return_info=True)
    assert 1 / CLOSE <= plan.ledger.device_time / info.ledger.device_time <= CLOSE


@pytest.mark.parametrize("name", ["dense, κ = 10", "sparse", "not symmetric"])
def test_a_single_run_is_predicted_to_the_letter(name):
    A = MATRICES[name]
    b = np.random.default_rng(5).standard_normal(A.shape[0])
    single = planned(A, b, rtol=1e-2).single
    _, info = tla.solve(A, b, rtol=1e-2, refine=False, rng=0, return_info=True)
    assert single.ledger == info.ledger


@pytest.mark.parametrize("condition", [3, 30, 300])
def test_bits_are_what_a_rounding_device_needs(condition):
    A, b = spd(60, condition), np.random.default_rng(1).standard_normal(60)
    plan = planned(A, b, rtol=1e-8)

    def runs(bits: int) -> float:
        device = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=bits))
        try:
            _, info = tla.solve(A, b, rtol=1e-8, device=device, rng=0, return_info=True)
        except np.linalg.LinAlgError:  # the copy is singular, or not definite
            return np.inf
        return info.n_runs if info.success else np.inf

    assert runs(plan.bits.couplings + 2) <= 1.5 * plan.ledger.runs
    assert runs(plan.bits.couplings) <= 4 * plan.ledger.runs
    assert runs(plan.bits.couplings - 5) > 1.5 * plan.ledger.runs


# -- iterations and crossovers against arithmetic ---------------------------------------------------------------------


@pytest.mark.parametrize(("condition", "rtol"), [(3.0, 1e-3), (100.0, 1e-6), (1e4, 1e-6)])
def test_conjugate_gradients_take_what_the_bound_says_at_most(condition, rtol):
    # The Chebyshev points are the spectrum for which the bound is all but reached.
    d = 400
    nodes = np.cos(np.pi * (np.arange(d) + 0.5) / d)
    eigenvalues = (condition + 1) / 2 + (condition - 1) / 2 * nodes
    steps = []
    cg(np.diag(eigenvalues), np.ones(d), rtol=rtol, callback=lambda x: steps.append(x))
    bound = cg_iterations(eigenvalues.max() / eigenvalues.min(), rtol, d)
    assert 0.5 * bound <= len(steps) <= 1.5 * bound


@pytest.mark.parametrize("iterations", [cg_iterations, lsqr_iterations])
def test_iterations_at_the_ends(iterations):
    assert iterations(1.0, 1e-9, 10) == 1
    assert iterations(1e300, 1e-9, 10) == 10
    assert iterations(np.inf, 1e-9, 10) == 10
    assert iterations(1.0 + 1e-12, 1e-9, 10) == 1
    assert cg_iterations(1e4, 1e-6, 10**6) < lsqr_iterations(1e4, 1e-6, 10**6)


def loading_only(d: int, computer: Computer) -> OnDevice:
    ledger = Ledger()
    ledger.write(d * d)
    return OnDevice("device", ledger, PAPER, computer, 0.0, "product", True, "loading only", Bits(8, 5, 5))


@pytest.mark.parametrize(("rate", "dimension"), [(1e12, 960), (3e12, 2880), (1e13, 9600)])
@pytest.mark.parametrize("d", [10, 3000])
def test_loading_alone_against_a_factorisation(rate, dimension, d):
    """d³/(3F) = 16 d²/50e9 at d* = 9.6e-10 F, whatever the dimension both are priced at."""
    computer = Computer("of so many flops", factor_rate=rate, product_rate=1e30, overhead=0.0)
    found = crossover(loading_only(d, computer), Direct("Cholesky", computer, d=d), d)
    assert found.dimension == pytest.approx(dimension, rel=2e-3)


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (PAPER, "where couplings take 12 bits"),
        (replace(PAPER, bits=10), "but it takes 12 bits where there are 10"),
        (replace(PAPER, nodes=100), "but it takes 961 nodes where there are 100"),
    ],
)
def test_a_crossover_says_what_it_needs(hardware, words):
    """Rounding errors of a matrix grow with the root of its order: 8 bits at 10 are 11.3 at 960."""
    computer = Computer("of so many flops", factor_rate=1e12, product_rate=1e30, overhead=0.0)
    device = loading_only(10, computer)
    device = replace(device, ledger=replace(device.ledger, runs=1, values_in=10), hardware=hardware)
    found = crossover(device, Direct("Cholesky", computer, d=10), 10)
    assert words in found.why


def test_both_sides_are_even_at_the_crossover():
    plan = planned(MATRICES["dense, κ = 10"], hardware=PCB)
    found = plan.crossovers[0]
    scale = found.dimension / plan.d
    assert plan.refined.seconds(scale) == pytest.approx(plan.digital[0].seconds(scale), rel=0.01)
    assert plan.refined.seconds(2 * scale) < plan.digital[0].seconds(2 * scale)
    assert plan.refined.seconds(scale / 2) > plan.digital[0].seconds(scale / 2)


def test_where_the_device_can_never_win():
    """Products of conjugate gradients grow as loading does, and on a fast machine each takes less."""
    plan = planned(MATRICES["dense, κ = 10"], digital=A100)
    cholesky, iterative, *_ = plan.crossovers
    assert cholesky.dimension > 1000
    assert iterative.dimension is None
    assert "at every dimension" in iterative.why
    assert plan.recommended.basis == "modelled"
    large = 1e5 / plan.d
    assert plan.refined.bill(large).part("write") > plan.digital[1].seconds(large)  # before anything relaxes
    hopeless = planned(MATRICES["dense, κ = 1000"], digital=A100, hardware=PCB)
    assert all(each.needed is None for each in hopeless.break_even if each.kind == "s")
    assert "in time: no single price makes up for the others" in str(hopeless)


def test_where_the_device_wins():
    slow = Computer("slow", factor_rate=1e6, product_rate=1e6, overhead=0.0, power=1e3)
    free = replace(INTEGRATED, standby_power=0.0, bits=16)
    plan = planned(MATRICES["dense, κ = 10"], digital=slow, hardware=free)
    assert plan.recommended.name == "device"
    assert "times the time" in plan.why
    assert plan.recommended.joules < plan.best_digital.joules
    assert plan.crossovers[0].dimension is not None


@pytest.mark.parametrize("hardware", [INTEGRATED, PCB])
def test_break_even_prices_make_both_sides_even(hardware):
    slow = Computer("slow", factor_rate=1e6, product_rate=1e6, overhead=1e-3, power=30.0)
    known = replace(hardware, bits=16, write_energy=1e-10, standby_power=1e-3)
    plan = planned(MATRICES["dense, κ = 10"], digital=slow, hardware=known)
    digital, prices = plan.best_digital, {each.name: each for each in plan.break_even if each.needed is not None}
    names = {
        "time constant τ": ("time_constant", "seconds"),
        "writing a coupling": ("write_energy", "joules"),
        "loading a value": ("load_energy", "joules"),
        "reading a value": ("read_energy", "joules"),
        "moving a bit": ("link_energy", "joules"),
        "amplifiers of a node": ("amplifier_power", "joules"),
        "noise source of a node": ("noise_power", "joules"),
        "standby power": ("standby_power", "joules"),
    }
    assert len(prices.keys() & names.keys()) >= 5
    for name, (field, what) in names.items():
        if name in prices:
            even = replace(plan.refined, hardware=replace(known, **{field: prices[name].needed}))
            assert getattr(even.way, what) == pytest.approx(getattr(digital, what), rel=1e-9), name


def test_unknown_prices_bound_the_others():
    plan = planned(MATRICES["dense, κ = 10"], digital=replace(A100, power=1e6), hardware=replace(INTEGRATED, bits=16))
    write = next(each for each in plan.break_even if each.name == "writing a coupling")
    assert "standby for nothing" in write.why
    assert plan.ways[0].joules is None
    assert plan.ways[0].at_least > 0


# -- what keeps a problem from the device -----------------------------------------------------------------------------


def test_too_few_nodes_and_too_few_bits():
    A = MATRICES["dense, κ = 1000"]
    slow = Computer("slow", factor_rate=1e3, product_rate=1e3)
    few = planned(A, hardware=replace(PAPER, nodes=8), digital=slow)
    assert few.recommended.name == "Cholesky"
    assert "it takes 100 nodes where there are 8" in few.why
    coarse = planned(A, hardware=replace(PAPER, bits=6), digital=slow)
    assert coarse.recommended.name == "Cholesky"
    assert f"it takes {coarse.bits.most} bits where there are 6" in str(coarse)


def test_a_distorted_copy_is_warned_of():
    device = tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.02))
    assert "off by about 0.02" in str(planned(MATRICES["dense, κ = 10"], device=device))
    assert planned(MATRICES["dense, κ = 10"]).caution is None


IMPERFECT = {
    "mismatch": tla.Imperfections(mismatch=0.02, die=1),
    "bits": tla.Imperfections(matrix_bits=6),
    "preset": PCB2024(die=1),
    "capacitors": tla.Imperfections(mismatch=0.001, capacitors=Capacitors(mismatch=0.1), die=1),
}


@pytest.mark.parametrize("imperfections", IMPERFECT.values(), ids=IMPERFECT)
@pytest.mark.parametrize("rtol", [1e-2, 1e-8])
def test_runs_of_an_imperfect_device_are_those_that_a_solve_takes(imperfections, rtol):
    A, b = spd(30, 40.0), np.random.default_rng(0).standard_normal(30)
    device = tla.LangevinDevice(imperfections=imperfections)
    plan = tla.plan(A, b, rtol=rtol, device=device, digital=COMPUTER)
    _, info = tla.solve(A, b, rtol=rtol, device=device, rng=1, return_info=True)
    assert info.success
    assert plan.ledger.runs == pytest.approx(info.ledger.runs, rel=0.25, abs=1)
    assert plan.refined.failed is None
    assert "one copy that was tried" in plan.caution


def test_a_device_that_errs_too_much_is_told_so():
    A = spd(30, 40.0)
    rounded = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8))
    plan = tla.plan(A, rtol=1e-4, device=rounded)
    assert plan.refined.way.obstacle is None
    assert re.search(r"its errors leave a residual of 0\.0", plan.single.way.obstacle)
    stuck = tla.LangevinDevice(imperfections=tla.Imperfections(amplifiers=Amplifiers(stuck=0.3), die=1))
    plan = tla.plan(A, rtol=1e-4, device=stuck, digital=COMPUTER)
    assert "its errors leave a residual of" in plan.why
    assert plan.recommended.basis != "predicted"
    narrow = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8, outputs=Converter(full_scale=0.1)))
    assert "full scale" in tla.plan(A, rtol=1e-4, device=narrow).refined.way.obstacle


@pytest.mark.parametrize(("b", "columns"), [(None, 1), (np.ones((30, 2)), 2), (np.ones(30) + 1j, 2), ([1.0] * 30, 1)])
def test_any_load_is_rehearsed(b, columns):
    device = tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.01, die=1))
    plan = tla.plan(spd(30, 40.0), b, rtol=1e-4, device=device)
    assert plan.refined.failed is None
    assert plan.nodes == 30
    assert plan.ledger.runs % columns == 0


def test_twice_the_nodes_for_what_is_not_definite():
    assert planned(MATRICES["not symmetric"]).nodes == 120
    assert planned(MATRICES["complex"]).nodes == 60
    assert planned(MATRICES["negative"]).nodes == 30


def test_the_way_that_a_structure_has():
    plan = planned(MATRICES["low rank"])
    assert plan.digital[0].name == "by its structure (low-rank)"
    assert plan.best_digital.seconds < 1e-3


@pytest.mark.parametrize("factor", [1e12, -1.0, 1e-250])
def test_scale_and_sign_do_not_matter(factor):
    A = spd(40, 20)
    one, other = planned(A), planned(factor * A)
    assert other.ledger.runs == one.ledger.runs
    assert other.ledger.device_time == pytest.approx(one.ledger.device_time, rel=0.3)
    assert other.bits == one.bits
    assert {way.name for way in other.ways} >= {"device", "Cholesky", "CG"}


def test_a_load_of_zero():
    assert planned(spd(5, 3), np.zeros(5)).ledger.runs >= 1


# -- measured ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dense, κ = 10", "sparse", "not symmetric", "negative", "complex", "low rank"])
def test_digital_ways_can_be_run(name):
    plan = planned(MATRICES[name], digital="measured")
    measured = [way for way in plan.ways if way.basis == "measured"]
    assert len(measured) >= 1
    assert all(way.obstacle is None and way.seconds > 0 for way in measured)
    assert any("iterations by SciPy" in way.work for way in measured)


def test_what_does_not_converge_is_no_way(monkeypatch):
    from thermolinalg.planning import digital

    monkeypatch.setattr(digital, "PATIENCE", 0)
    plan = planned(MATRICES["dense, κ = 1000"], digital="measured")
    way = next(way for way in plan.ways if way.name == "CG")
    assert "did not converge" in way.obstacle
    assert plan.recommended.name != "CG"


# -- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.thinned(4)
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("hardware", ["paper", "integrated"])
def test_text_and_json(name, hardware):
    plan = planned(MATRICES[name], hardware=hardware)
    text = str(plan)
    assert repr(plan) == text
    assert max(map(len, text.splitlines())) <= 120
    for part in (plan.recommended.name, hardware, "crossover", "break-even", "bits", "nodes", "host"):
        assert part in text
    told = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    assert told["recommended"] == plan.recommended.name
    assert told["ledger"]["runs"] == plan.ledger.runs
    assert told["bill"]["times"][0]["source"] == "16 bit at 50 Gbit/s" or hardware != "paper"


def test_picture():
    pytest.importorskip("matplotlib")
    plan = planned(MATRICES["dense, κ = 10"])
    ax = plan.plot()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "device, paper"
    assert "Cholesky" in labels
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert plan.plot(ax=ax) is ax
    ax.figure.clear()


def test_explain_is_the_short_form():
    plan = planned(MATRICES["sparse"])
    assert plan.explanation == tla.explain(MATRICES["sparse"])
    assert plan.explanation.solve.flops == tla.program(MATRICES["sparse"]).price("solve").engine.flops


def test_nothing_runs_on_a_device(monkeypatch):
    monkeypatch.setattr(Ledger, "carry", lambda *_: pytest.fail("a run was booked"))
    device = tla.LangevinDevice()
    monkeypatch.setattr("thermolinalg.devices.drawn.Drawn.average", lambda *_, **__: pytest.fail("a run was made"))
    planned(MATRICES["sparse"], device=device)


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("A", "options", "error", "words"),
    [
        (np.eye(2), {"rtol": 0.0}, ValueError, "rtol must be positive"),
        (np.eye(2), {"rtol": -1e-3}, ValueError, "rtol must be positive"),
        (np.eye(2), {"rtol": 1.0}, ValueError, "rtol must be below 1"),
        (np.eye(2), {"rtol": np.nan}, ValueError, "rtol must be finite"),
        (np.eye(2), {"rtol": "small"}, TypeError, "rtol must be a real number"),
        (np.eye(2), {"hardware": "breadboard"}, ValueError, "hardware must be one of 'paper', 'pcb', 'integrated'"),
        (np.eye(2), {"hardware": 5}, TypeError, "hardware must be a Hardware"),
        (np.eye(2), {"digital": "guessed"}, TypeError, "digital must be None, 'measured' or a Computer"),
        (np.eye(2), {"device": "a box"}, TypeError, "device must be None or have a method program"),
        (np.eye(2), {"b": np.ones(3)}, ValueError, "b has 3 rows where A has 2"),
        (np.eye(2), {"b": np.array([1.0, np.nan])}, ValueError, "b contains NaN"),
        (np.eye(2), {"b": np.ones((2, 0))}, ValueError, "b is empty"),
        (np.eye(2), {"assume_a": "nice"}, ValueError, "assume_a"),
        (np.ones((0, 0)), {}, ValueError, "A is empty"),
        (np.ones((2, 3)), {}, ValueError, "square"),
        (np.ones((2, 2)), {}, np.linalg.LinAlgError, "singular"),
        (np.array([[np.inf, 0.0], [0.0, 1.0]]), {}, ValueError, "NaN or infinity"),
        (scipy.sparse.csr_array((2, 2)), {}, np.linalg.LinAlgError, "singular"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(A, options, error, words):
    with pytest.raises(error, match=words) as raised:
        planned(A, **options)
    assert "\n" not in str(raised.value)
