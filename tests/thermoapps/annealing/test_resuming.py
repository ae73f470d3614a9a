"""A call of sampling that is left in the middle and goes on: the same samples, bit for bit."""

import shutil

import dimod
import numpy as np
import pytest

from thermoapps.annealing import Bifurcation, LangevinSampler, ParallelTempering, resuming, sampler

METHODS = [Bifurcation(steps=230), ParallelTempering(steps=130, every=20)]
MODEL = dimod.generators.ran_r(3, 20, seed=1)
GIVEN = {"num_reads": 7, "seed": 4}


class Killed(BaseException):
    pass


def raising(error, after):
    """Asked for the n-th time, raise."""
    answers = iter(range(after))

    def ask():
        if next(answers, None) is None:
            raise error
        return False

    return ask


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    monkeypatch.setattr(sampler, "ENTRIES", 3 * 20)  # three reads side by side
    monkeypatch.setattr(resuming, "SECONDS", 0.0)


def run(**more):
    return LangevinSampler().sample(MODEL, **(GIVEN | more))


@pytest.mark.thinned(4)
@pytest.mark.parametrize("method", METHODS, ids=["Bifurcation", "ParallelTempering"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize("after", [0, 3, 8, 14])
def test_an_interrupted_call_goes_on(tmp_path, method, error, after):
    path = tmp_path / "sampling"
    whole = run(method=method)
    with pytest.raises(error):
        run(method=method, checkpoint=path, interrupt_function=raising(error, after))
    assert path.exists()
    found = run(method=method, checkpoint=path)
    np.testing.assert_array_equal(found.record.sample, whole.record.sample)
    np.testing.assert_array_equal(found.record.energy, whole.record.energy)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", METHODS, ids=["Bifurcation", "ParallelTempering"])
def test_any_file_that_was_written_goes_on(tmp_path, method):
    path, copies = tmp_path / "sampling", []

    def copy():
        if path.exists():
            copies.append(shutil.copy(path, tmp_path / str(len(copies))))
        return False

    whole = run(method=method, checkpoint=path, interrupt_function=copy)
    assert len(copies) > 10
    for left in copies[::4]:
        np.testing.assert_array_equal(run(method=method, checkpoint=left).record.sample, whole.record.sample)


def test_out_of_time_and_on(tmp_path):
    path, asked = tmp_path / "sampling", iter([False] * 10)
    first = run(method=METHODS[0], checkpoint=path, interrupt_function=lambda: next(asked, True))
    assert first.info["interrupted"]
    assert len(first) == 3
    second = run(method=METHODS[0], checkpoint=path)
    assert not second.info["interrupted"]
    np.testing.assert_array_equal(second.record.sample, run(method=METHODS[0]).record.sample)


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.Philox, np.random.MT19937, np.random.SFC64])
def test_sources_of_randomness_go_on(tmp_path, bits):
    given = {"seed": None, "method": METHODS[0]}
    one, other, third = (np.random.Generator(bits(3)) for _ in range(3))
    whole = run(**given, rng=one)
    with pytest.raises(KeyboardInterrupt):
        run(**given, rng=other, checkpoint=tmp_path / "c", interrupt_function=raising(KeyboardInterrupt, 9))
    found = run(**given, rng=third, checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(found.record.sample, whole.record.sample)
    assert one.random() == third.random()


def test_fresh_randomness_goes_on_too(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(seed=None, checkpoint=tmp_path / "c", interrupt_function=raising(KeyboardInterrupt, 50))
    shutil.copy(tmp_path / "c", tmp_path / "d")
    one, other = (run(seed=None, checkpoint=tmp_path / name).record.sample for name in "cd")
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 5}, "another model, method, seed or number of reads; delete it"),
        ({"num_reads": 8}, "another model, method, seed or number of reads"),
        ({"num_sweeps": 229}, "another model, method, seed or number of reads"),
        ({"seed": None, "rng": 4}, "another model, method, seed or number of reads"),
    ],
)
def test_checkpoints_of_other_calls_are_refused(tmp_path, change, message):
    path = tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        run(method=METHODS[0], checkpoint=path, interrupt_function=raising(KeyboardInterrupt, 3))
    held = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        run(method=METHODS[0], checkpoint=path, **change)
    with pytest.raises(ValueError, match="another model"):
        LangevinSampler().sample(dimod.generators.ran_r(2, 20, seed=1), method=METHODS[0], checkpoint=path, **GIVEN)
    assert path.read_bytes() == held
    other = tmp_path / "text"
    other.write_text("no checkpoint")
    with pytest.raises(ValueError, match="is no checkpoint of sampling"):
        run(checkpoint=other)
    assert other.read_text() == "no checkpoint"


def test_a_checkpoint_in_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(checkpoint=tmp_path / "no" / "folder")
