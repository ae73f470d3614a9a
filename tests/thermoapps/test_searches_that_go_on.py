"""Searches that were interrupted go on from their file, bit by bit, and refuse the file of another search."""

import numpy as np
import pytest

from thermoapps._journal import Journal
from thermoapps.random_field import GaussianField, Grid, fit_matern
from thermoapps.random_field.posterior import Posterior
from thermoapps.state_space import expectation_maximisation, fit, fitting, maximisation

Y = np.random.default_rng(0).standard_normal(12).cumsum()
GRID = Grid(25)
Z = GaussianField.from_matern(GRID, range=6.0).sample(rng=1)


def level(theta):
    return {"F": 1.0, "Q": np.exp(theta[0]), "H": 1.0, "R": np.exp(theta[1]), "initial_covariance": np.inf}


def likelihood(**given):
    found = fit(level, [0.0, 0.0], given.pop("y", Y), **given)
    return [*found.theta, *found.standard_errors, found.log_likelihood, *found.history]


def turns(**given):
    found = expectation_maximisation(1.0, 1.0, 1.0, 1.0, given.pop("y", Y), initial_covariance=4.0, maxiter=8, **given)
    return [*np.ravel(found.system["Q"]), *np.ravel(found.system["R"]), found.log_likelihood, *found.history]


def evidence(**given):
    found = fit_matern(GRID, given.pop("y", Z), noise=0.05, standard_deviation=1.0, **given)
    return [found.range, *found.log_errors.values(), found.log_evidence]


SEARCHES = {
    "likelihood": (likelihood, fitting, "_value_and_slope"),
    "turns": (turns, maximisation, "posterior_of"),
    "evidence": (evidence, Posterior, "log_evidence"),
}


def failing(call, after):
    """The same but for a KeyboardInterrupt, and a list that counts the calls."""
    counted = []

    def counting(*given, **named):
        if len(counted) == after:
            raise KeyboardInterrupt
        counted.append(None)
        return call(*given, **named)

    return counting, counted


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("seed", [3, pytest.param(None, marks=pytest.mark.slow)])
def test_an_interrupted_search_goes_on(name, seed, tmp_path, monkeypatch):
    search, place, step = SEARCHES[name]
    path, original = tmp_path / "search", getattr(place, step)
    counting, counted = failing(original, 5)
    monkeypatch.setattr(place, step, counting)
    with pytest.raises(KeyboardInterrupt):
        search(rng=seed, checkpoint=path)
    assert len(path.read_text().splitlines()) == 6  # and what the search depends on
    with path.open("a") as file:
        file.write('{"value": 1.0, "slo')  # as of a process that was killed
    counting, counted = failing(original, None)
    monkeypatch.setattr(place, step, counting)
    resumed, again = search(rng=seed, checkpoint=path), len(counted)
    assert not path.exists()
    counted.clear()
    whole = search(rng=seed)
    assert again == len(counted) - 5
    assert np.array_equal(resumed, whole) if seed is not None else np.allclose(resumed, whole, rtol=1e-6)


@pytest.mark.parametrize("search", [pytest.param(likelihood, marks=pytest.mark.slow), turns])
def test_a_search_that_its_callback_ends_goes_on_too(search, tmp_path):
    def enough(_):
        raise StopIteration

    search(rng=0, checkpoint=tmp_path / "search", callback=enough)
    assert (tmp_path / "search").exists()
    assert search(rng=0, checkpoint=tmp_path / "search") == search(rng=0)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_file_of_another_search_is_refused(name, tmp_path, monkeypatch):
    search, place, step = SEARCHES[name]
    path = tmp_path / "search"
    with monkeypatch.context() as patched:
        patched.setattr(place, step, failing(getattr(place, step), 2)[0])
        with pytest.raises(KeyboardInterrupt):
            search(rng=0, checkpoint=path)
    noted = path.read_bytes()
    with pytest.raises(ValueError, match="of another search"):
        search(y=(Z if search is evidence else Y) * 2, rng=0, checkpoint=path)
    assert path.read_bytes() == noted


@pytest.mark.parametrize("text", ["", "x = 1\n", '{"a": 1}\n', "[1, 2]\n"])
def test_another_file_is_no_checkpoint_and_stays_as_it_is(text, tmp_path):
    path = tmp_path / "notes"
    path.write_text(text)
    with pytest.raises(ValueError, match="is no checkpoint of a search"):
        turns(rng=0, checkpoint=path)
    assert path.read_text() == text


def test_a_folder_that_is_not_there_is_told_before_anything_is_computed(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        turns(rng=0, checkpoint=tmp_path / "no" / "search")


def test_numbers_are_kept_to_the_last_bit(tmp_path):
    values = {"a": np.array([[np.pi, -0.0], [np.inf, 5e-324]]), "b": 1 / 3, "settled": True}
    rng = np.random.default_rng(0)

    def cut_short():
        with Journal(tmp_path / "j", [values], rng) as journal:
            journal.step(lambda: values | {"c": rng.random()})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cut_short()
    drawn, again = rng.random(), np.random.default_rng(1)
    with Journal(tmp_path / "j", [values], again) as journal:
        found = journal.step(dict)
        assert again.random() == drawn
    assert np.array_equal(found["a"], values["a"])
    assert np.signbit(found["a"][0, 1])
    assert found["b"] == 1 / 3
    assert found["settled"] is True
    assert not (tmp_path / "j").exists()
