"""Pictures: what is drawn is what was given, with units, and errors are clear."""

import subprocess
import sys

import numpy as np
import pytest

import thermolinalg as tla

pytest.importorskip("matplotlib")

from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from thermolinalg import plotting

rng = np.random.default_rng(0)
TIMES = np.arange(1.0, 51.0)
PATHS = rng.standard_normal((50, 3))
INVERSE = np.diag([3.0, 2.0, 1.0]) + 0.1

PICTURES = {
    "trajectory": lambda ax: plotting.trajectory(
        TIMES, PATHS, solution=[0, 1, 2], standard_deviation=[0.1, 0.1, 0.1], labels=["a", "b", "c"], ax=ax
    ),
    "error_against_time": lambda ax: plotting.error_against_time(
        [1.0, 10.0], [[0.2, 0.3], [0.1, 0.05]], eigenvalues=[1.0, 2.0], ax=ax
    ),
    "spectrum": lambda ax: plotting.spectrum([0.1, 0.5, 1.0], device_range=(0.1, 1.0), ax=ax),
    "histogram": lambda ax: plotting.histogram(rng.normal(1, 2, 500), mean=1.0, variance=4.0, ax=ax),
    "covariance": lambda ax: plotting.covariance(INVERSE + 0.01, INVERSE, ax=ax),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_becomes_a_file_with_labelled_axes(name, tmp_path):
    ax = PICTURES[name](None)
    ax.figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert ax.get_title(loc="left")


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_draws_on_the_axes_it_is_given(name):
    _, ax = plt.subplots()
    assert PICTURES[name](ax) is ax
    assert len(plt.get_fignums()) == 1


def test_every_function_has_a_picture_here():
    assert set(PICTURES) == set(plotting.__all__)


def test_the_trajectory_carries_the_readings_and_the_solution():
    ax = PICTURES["trajectory"](None)
    paths = [line for line in ax.lines if len(line.get_ydata()) == 50]
    assert np.array_equal([line.get_ydata() for line in paths], PATHS.T)
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == [0, 1, 2]
    assert [to_hex(line.get_color()) for line in dashed] == [to_hex(line.get_color()) for line in paths]
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c"]
    assert "τ" in ax.get_xlabel()


def test_the_error_law_is_the_closed_form():
    ax = PICTURES["error_against_time"](None)
    law = ax.lines[-1]
    assert law.get_ydata() == pytest.approx(np.sqrt(2 * 1.25 / np.array([1.0, 10.0])))
    root_mean_square = ax.lines[1].get_ydata()
    assert root_mean_square[0] == pytest.approx(np.sqrt((0.04 + 0.09) / 2))


def test_two_spectra_have_two_colours():
    ax = plotting.spectrum([1.0, 0.5], label="first")
    plotting.spectrum([1.0, 0.1], label="second", ax=ax)
    assert len({line.get_color() for line in ax.lines}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["first", "second"]
    assert list(ax.lines[1].get_ydata()) == [1.0, 0.1]


def test_a_singular_spectrum_has_a_linear_axis():
    assert plotting.spectrum([1.0, 0.0]).get_yscale() == "linear"


def test_the_histogram_has_unit_area_and_the_law_its_peak():
    ax = PICTURES["histogram"](None)
    assert sum(bar.get_width() * bar.get_height() for bar in ax.patches) == pytest.approx(1.0)
    law = next(line for line in ax.lines if len(line.get_ydata()) > 100)
    assert max(law.get_ydata()) == pytest.approx(1 / (2 * np.sqrt(2 * np.pi)), rel=1e-3)


def test_the_covariance_is_below_the_diagonal_and_the_inverse_above():
    ax = PICTURES["covariance"](None)
    shown = np.asarray(ax.images[0].get_array())
    assert np.array_equal(np.triu(shown, 1), np.triu(INVERSE, 1))
    assert np.array_equal(np.tril(shown), np.tril(INVERSE + 0.01))


def test_a_device_run_can_be_drawn():
    A = np.array([[2.0, 0.3], [0.3, 1.0]])
    program = tla.LangevinDevice().program(tla.operators.Dense(A))
    schedule = tla.Schedule(burn_in=0.1, readings=30, spacing=0.1)
    reading = program.readings(np.ones(2), schedule, rng=np.random.default_rng(0))
    ax = plotting.trajectory(0.1 * np.arange(1, 31), reading.value, solution=np.linalg.solve(A, np.ones(2)))
    assert len(ax.lines) == 4


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plotting.trajectory([1.0, 2.0], np.ones((3, 1))),
        lambda: plotting.trajectory([1.0, 2.0], np.ones(2)),
        lambda: plotting.spectrum([]),
        lambda: plotting.covariance(np.eye(2), np.eye(3)),
    ],
)
def test_shapes_that_do_not_fit(draw):
    with pytest.raises(ValueError, match=r"shape|rows"):
        draw()


def test_without_matplotlib_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from thermolinalg import plotting\n"
        "try:\n    plotting.spectrum([1.0])\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'thermolinalg[plot]'" in done.stdout
