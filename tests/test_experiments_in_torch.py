"""Experiments with exact Gauss–Newton steps, shared coefficients and schedules, at a size of seconds."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
NO_DATA = EXPERIMENTS / "no-such-folder"


@pytest.fixture
def script(monkeypatch):
    """A script of the experiments, as a module."""
    for name in ("matplotlib", "sklearn", "torch"):
        pytest.importorskip(name)
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module


@pytest.fixture
def run(script, tmp_path, monkeypatch):
    """What ``python experiments/name.py`` does, without problem data: its results."""

    def measured(name, file, *arguments):
        places = ("--data", str(NO_DATA), "--results", str(tmp_path), "--pictures", str(tmp_path), "--workers", "1")
        monkeypatch.setattr(sys, "argv", [name, *places, "--seeds", "1", *arguments])
        script(name).main()
        assert (tmp_path / f"experiments-{file}.png").stat().st_size > 10_000
        assert not list(tmp_path.glob("*.unfinished"))
        return json.loads((tmp_path / f"{file}.json").read_text(encoding="utf-8"))

    return measured


def test_exact_gauss_newton_and_its_options(run, script):
    found = run("gauss_newton", "gauss-newton", "--runs", "1", "--steps", "6", "--longer", "2")
    assert list(found["tasks"]) == ["diabetes", "two masses", "three masses"]
    for methods in found["tasks"].values():
        assert set(methods) == set(script("gauss_newton").FITTERS)
        assert {len(method["tried"]) for method in methods.values()} == {1}
        assert {name: method["runs"][0]["step"][-1] for name, method in methods.items()} == {
            name: 12 if name == "Adam, longer" else 6 for name in methods
        }


@pytest.mark.parametrize("task", ["two masses", "three masses"])
def test_policy_iteration_by_exact_steps_finds_the_best_gain(script, task):
    module = script("gauss_newton")
    trial = module.Trial(task, "EGN, line search", {"lr": 1.0, "damping": 1e-3}, steps=40, seed=0, batch=256)
    assert module.fit(trial, None)["error"][-1] < 1e-6


def test_the_best_gain_is_the_best(script):
    plant = script("control").masses(2)

    def cost(gain):
        """Of all Gaussian starts, by the closed loop's Lyapunov equation as a sum of its steps."""
        loop, total, state = plant.A - plant.B @ gain, 0.0, np.eye(4)
        for _ in range(500):
            total += np.sum(state**2) + np.sum((gain @ state) ** 2)
            state = loop @ state
        return total

    best = plant.best_gain()
    for entry in np.eye(best.size):
        change = 1e-3 * entry.reshape(best.shape)
        assert cost(best) < min(cost(best + change), cost(best - change))


def test_shared_coefficients(run):
    sizes = ("--runs", "1", "--search", "64", "--judge", "96", "--images", "128", "--epochs", "2")
    methods = run("shared_coefficients", "shared-coefficients", *sizes)["methods"]
    for method in methods.values():
        assert len(method["tried"]) == 1
        assert method["same time"][0]["step"][-1] == 2 * method["epochs in the same time"]


def test_coefficients_are_shared_from_the_second_epoch_on(script):
    module = script("shared_coefficients")
    settings = {"lr": 0.05, "damping": 0.3, "forget": 1.0}
    names = ("FNGD, mean", "FNGD, batch by batch", "never shared")
    runs = [module.run_of(name, settings, 128, 2, seed=0, points=1) for name in names]
    mean, by_batch, never = (module.train(run, None, module.COMPARED)["loss"] for run in runs)
    assert mean[0] == by_batch[0] == never[0]
    assert len({mean[1], by_batch[1], never[1]}) == 3


def test_unshuffled_runs_have_the_same_batches_in_every_epoch(script):
    training = script("training")
    first, second = (
        [index.tolist() for index in training._batches(12, training.Run("Adam", {}, 12, **given))]
        for given in ({"epochs": 2, "batch": 4, "shuffled": False}, {"epochs": 2, "batch": 4})
    )
    assert first[:3] == first[3:] == second[:3]
    assert second[:3] != second[3:]


def test_a_schedule_follows_the_condition(run):
    sizes = ("--images", "192", "--search", "64", "--judge", "96", "--batch", "32", "--rates", "0.1")
    found = run("schedule", "schedule", *sizes, "--dampings", "3,0.001")
    easy, hard = (row["ways"]["schedule"]["runs"][0] for row in found["rows"])
    assert set(easy["way"]) == {"ConjugateGradient"}
    assert set(hard["way"]) == {"Woodbury"}
    assert max(easy["condition"]) < min(hard["condition"])
    for row in found["rows"]:
        exact, scheduled = (row["ways"][way]["runs"][0]["loss"] for way in ("Cholesky", "schedule"))
        assert exact == pytest.approx(scheduled, rel=0.1)
        assert sum(row["with a device"]["chosen"].values()) == 6
