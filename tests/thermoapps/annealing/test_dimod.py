"""The sampler under dimod's own tests, untouched, and what its users rely on."""

import json
import unittest
from itertools import product

import dimod
import dimod.testing
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermoapps.annealing import Bifurcation, GreedyDescent, LangevinSampler, ParallelTempering

FAST = Bifurcation(steps=300)


@dimod.testing.load_sampler_bqm_tests(LangevinSampler)
class TestLangevinSampler(unittest.TestCase):
    def test_sampler_api(self):
        dimod.testing.assert_sampler_api(LangevinSampler())


def biases(low, high):
    return st.floats(low, high, allow_nan=False).map(lambda bias: round(bias, 3))


@st.composite
def models(draw):
    n = draw(st.integers(1, 7))
    linear = [draw(biases(-2, 2)) for _ in range(n)]
    pairs = [(i, j) for i in range(n) for j in range(i)]
    quadratic = {pair: draw(biases(-2, 2)) for pair in pairs if draw(st.booleans())}
    vartype = draw(st.sampled_from(["SPIN", "BINARY"]))
    return dimod.BinaryQuadraticModel(dict(enumerate(linear)), quadratic, draw(biases(-5, 5)), vartype)


@settings(max_examples=15)
@given(models(), st.sampled_from([1.0, 1e-12, 1e12]))
def test_small_models_have_the_minimum_of_all_states(bqm, unit):
    bqm.scale(unit)
    lowest = dimod.ExactSolver().sample(bqm).first.energy
    found = LangevinSampler().sample(bqm, num_reads=60, method=FAST, seed=1)
    assert found.first.energy == pytest.approx(lowest, rel=1e-9, abs=1e-9 * unit)
    assert found.vartype is bqm.vartype
    dimod.testing.assert_sampleset_energies(found, bqm)


def test_parts_of_very_different_units_are_all_solved():
    bqm = dimod.BinaryQuadraticModel("SPIN")
    for part, unit in enumerate([1e-12, 1.0, 1e12]):
        for i, j in ((0, 1), (1, 2)):
            bqm.add_quadratic((part, i), (part, j), unit)
        bqm.add_linear((part, 0), -0.5 * unit)
    bqm.add_variable("alone")
    best = LangevinSampler().sample(bqm, num_reads=30, method=FAST, seed=0).first.sample
    for part in range(3):
        assert [best[part, i] for i in range(3)] == [1, -1, 1]
    assert best["alone"] in (-1, 1)


@pytest.mark.parametrize("method", [FAST, ParallelTempering(steps=200)], ids=["Bifurcation", "ParallelTempering"])
@pytest.mark.parametrize("unit", [1.0, 2.0**-40, 2.0**40])
def test_samples_do_not_depend_on_the_unit(method, unit):
    bqm = dimod.generators.ran_r(3, 12, seed=1)
    one = LangevinSampler().sample(bqm, num_reads=5, method=method, seed=2)
    bqm.scale(unit)
    other = LangevinSampler().sample(bqm, num_reads=5, method=method, seed=2)
    np.testing.assert_array_equal(one.record.sample, other.record.sample)


def test_seeds():
    bqm = dimod.generators.ran_r(1, 10, seed=3)
    sampler = LangevinSampler()
    by_seed, again, by_rng = (sampler.sample(bqm, num_reads=4, **{name: 5}) for name in ("seed", "seed", "rng"))
    np.testing.assert_array_equal(by_seed.record.sample, again.record.sample)
    np.testing.assert_array_equal(by_seed.record.sample, by_rng.record.sample)
    other = sampler.sample(bqm, num_reads=4, seed=6)
    assert not np.array_equal(by_seed.record.sample, other.record.sample)


class Still:
    """A method that reads what it was given."""

    time = 0.0

    def run(self, ising, start, rng, stopped):
        return start


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
def test_initial_states_reach_the_cells(vartype):
    bqm = dimod.BinaryQuadraticModel({"a": 1, "b": 2}, {"ab": 1}, vartype)
    low = -1 if vartype == "SPIN" else 0
    states = [{"b": 1, "a": low}, {"b": low, "a": low}]
    found = LangevinSampler().sample(bqm, initial_states=states, method=Still())
    assert [dict(sample) for sample in found.samples(sorted_by=None)] == states
    tiled = LangevinSampler().sample(
        bqm, initial_states=states, initial_states_generator="tile", num_reads=5, method=Still()
    )
    assert len(tiled) == 5
    with pytest.raises(ValueError, match="insufficient"):
        LangevinSampler().sample(bqm, initial_states=states, initial_states_generator="none", num_reads=5)


def test_raw_and_polished_energies_stand_apart():
    bqm = dimod.generators.ran_r(1, 40, seed=4)
    raw = LangevinSampler().sample(bqm, num_reads=20, method=Bifurcation(steps=20), seed=0)
    both = LangevinSampler().sample(bqm, num_reads=20, method=Bifurcation(steps=20), polish=GreedyDescent(), seed=0)
    np.testing.assert_allclose(both.record.raw_energy, raw.record.energy)
    assert np.all(both.record.energy <= both.record.raw_energy)
    assert both.record.energy.mean() < both.record.raw_energy.mean()
    assert raw.info["polish"] is None
    assert both.info["polish"] == "GreedyDescent()"
    local = both.record.sample.astype(float)
    for i in range(40):  # no single flip lowers what was polished
        flipped = local.copy()
        flipped[:, i] *= -1
        assert np.all(bqm.energies((flipped, list(bqm.variables))) >= both.record.energy - 1e-9)


def test_time_is_up_and_users_interrupt():
    bqm = dimod.generators.ran_r(1, 30, seed=5)
    answers = iter([False, False, True])
    found = LangevinSampler().sample(
        bqm, num_reads=3, num_sweeps=10**6, interrupt_function=lambda: next(answers, True), seed=0
    )
    assert found.info["interrupted"]
    assert len(found) == 3
    late = LangevinSampler().sample(bqm, num_reads=10**5, num_sweeps=300, time_limit=0.2, seed=0)
    assert late.info["interrupted"]
    assert 0 < len(late) < 10**5
    assert not LangevinSampler().sample(bqm, seed=0).info["interrupted"]


def test_an_interrupt_of_the_keyboard_passes_through():
    def strike():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LangevinSampler().sample_ising({0: 1.0}, {}, interrupt_function=strike)


def test_info_is_of_plain_types():
    found = LangevinSampler().sample_qubo({(0, 1): -1.0, (0, 0): 0.5}, num_reads=4, num_sweeps=100, hardware="pcb")
    told = json.loads(json.dumps(found.info))
    assert told["device_time"] == 4 * 100 * 0.5
    assert told["bill"]["hardware"] == "pcb"
    assert told["method"] == repr(Bifurcation(steps=100))
    assert set(told["timing"]) == {"preprocessing_ns", "sampling_ns", "postprocessing_ns"}


def test_parameters_are_those_of_sample():
    import inspect

    names = list(inspect.signature(LangevinSampler.sample).parameters)
    assert set(LangevinSampler().parameters) == set(names) - {"self", "bqm", "unknown"}
    for name in LangevinSampler().parameters["method"]:
        assert name in LangevinSampler().properties


def test_a_constrained_model_by_dimods_own_conversion():
    # The heaviest two of four things.
    cqm = dimod.ConstrainedQuadraticModel()
    things = [dimod.Binary(name) for name in "abcd"]
    cqm.set_objective(-sum(weight * thing for weight, thing in zip((1, 4, 2, 3), things, strict=True)))
    cqm.add_constraint(sum(things) == 2)
    bqm, invert = dimod.cqm_to_bqm(cqm, lagrange_multiplier=10)
    best = invert(LangevinSampler().sample(bqm, num_reads=30, seed=0).first.sample)
    assert best == {"a": 0, "b": 1, "c": 0, "d": 1}


@pytest.mark.slow
def test_a_hundred_thousand_spins_stay_sparse():
    n = 100_000
    ring = dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.zeros(n), (np.arange(n), (np.arange(n) + 1) % n, np.ones(n)), 0.0, "SPIN"
    )
    found = LangevinSampler().sample(ring, num_sweeps=400, seed=0)
    assert found.first.energy < -0.9 * n


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda s, b: s.sample_ising({0: np.nan}, {}), ValueError, "finite"),
        (lambda s, b: s.sample_ising({}, {(0, 1): np.inf}), ValueError, "finite"),
        (lambda s, b: s.sample(b, seed=1, rng=2), ValueError, "pass one of them"),
        (lambda s, b: s.sample(b, num_reads=0), ValueError, "num_reads"),
        (lambda s, b: s.sample(b, num_sweeps=0), ValueError, "num_sweeps"),
        (lambda s, b: s.sample(b, num_sweeps=1.5), ValueError, "num_sweeps must be a whole number"),
        (lambda s, b: s.sample(b, num_sweeps=5, method=Still()), TypeError, "methods with steps"),
        (lambda s, b: s.sample({(0, 1): 1.0}), TypeError, "sample_qubo and sample_ising take dictionaries"),
        (lambda s, b: s.sample(dimod.ConstrainedQuadraticModel()), TypeError, "cqm_to_bqm makes one"),
        (lambda s, b: s.sample_ising({0: 1e308, 1: 1e308}, {}), ValueError, "larger unit"),
        (lambda s, b: s.sample(b, time_limit=0.0), ValueError, "time_limit"),
        (lambda s, b: s.sample(b, method="fast"), TypeError, "method run"),
        (lambda s, b: s.sample(b, method=Bifurcation), TypeError, "method run"),
        (lambda s, b: s.sample(b, polish=True), TypeError, "method run"),
        (lambda s, b: s.sample(b, hardware="abacus"), ValueError, "hardware"),
        (lambda s, b: s.sample(b, initial_states={"z": 1}), ValueError, "mismatch"),
        (lambda s, b: s.sample(b, initial_states_generator="new"), ValueError, "initial_states_generator"),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(LangevinSampler(), dimod.BinaryQuadraticModel({"a": 1.0}, {}, "SPIN"))


def test_parameters_of_others_are_passed_by_with_a_warning():
    with pytest.warns(dimod.exceptions.SamplerUnknownArgWarning):
        LangevinSampler().sample_ising({0: 1.0}, {}, beta_range=[0.1, 1.0])


@pytest.mark.parametrize("polish", [None, GreedyDescent()])
def test_a_model_without_variables(polish):
    found = LangevinSampler().sample(dimod.BinaryQuadraticModel({}, {}, 5.0, "SPIN"), num_reads=3, polish=polish)
    assert found.record.energy.tolist() == [5.0] * 3
    assert ("raw_energy" in found.record.dtype.names) == (polish is not None)


@pytest.mark.parametrize("states", list(product([-1, 1], repeat=2)))
def test_no_biases_at_all(states):
    found = LangevinSampler().sample_ising({0: 0.0, 1: 0.0}, {}, initial_states=dict(enumerate(states)))
    assert found.first.energy == 0
