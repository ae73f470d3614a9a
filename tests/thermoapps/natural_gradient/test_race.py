"""The training race of the demo: its table and picture, and how the core finds it without knowing it."""

from importlib.metadata import EntryPoint

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("rich")
pytest.importorskip("matplotlib")

import torch

from thermoapps.natural_gradient import demo
from thermolinalg.demo import guests, run_guests


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    picture = tmp_path_factory.mktemp("race") / "race.png"
    return demo.race(picture, seed=1, epochs=1), picture


def test_all_take_the_same_steps_from_the_same_weights(outcome):
    racers, _ = outcome
    assert [racer.name for racer in racers] == ["TNGD", "NGD", "Adam"]
    assert len({len(racer.losses) for racer in racers}) == 1
    assert len({racer.losses[0] for racer in racers}) == 1


def test_natural_gradients_are_ahead_after_one_epoch(outcome):
    accuracy = {racer.name: racer.checks[-1][2] for racer in outcome[0]}
    assert min(accuracy["TNGD"], accuracy["NGD"]) > 0.93
    assert accuracy["TNGD"] > accuracy["Adam"]


def test_the_picture_is_a_picture(outcome):
    from matplotlib.image import imread

    assert min(imread(outcome[1]).shape[:2]) > 300


def test_the_race_ends_in_time_and_leaves_the_threads_alone(capsys):
    threads = torch.get_num_threads()
    racers = demo.race(None, seconds=0.0)
    assert torch.get_num_threads() == threads
    assert all(len(racer.losses) == 1 and len(racer.checks) == 1 for racer in racers)
    assert "steps to 95 %" in capsys.readouterr().out


def declared(monkeypatch, value):
    entry = EntryPoint("guest", value, guests.GROUP)
    monkeypatch.setattr(guests, "entry_points", lambda group: [entry] if group == entry.group else [])


def test_a_guest_gets_a_picture_of_its_own(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(demo, "race", lambda *arguments: seen.append(arguments))
    declared(monkeypatch, "thermoapps.natural_gradient.demo:race")
    assert run_guests(tmp_path / "here.png", seed=3) == ["guest"]
    assert run_guests(None) == ["guest"]
    assert seen == [(tmp_path / "here-guest.png", 3), (None, 0)]


def test_a_guest_that_lacks_a_package_is_skipped_with_a_line(monkeypatch, capsys):
    declared(monkeypatch, "a_package_that_nobody_has:run")
    assert run_guests(None) == []
    line = capsys.readouterr().out
    assert line.startswith("Skipped the guest: No module named")
    assert "thermolinalg[all]" in line
