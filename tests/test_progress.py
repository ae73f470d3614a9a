from __future__ import annotations

import re

import numpy as np
import pytest
from cases import grid
from helpers import spd

import thermolinalg as tla
from thermolinalg import _progress
from thermolinalg._progress import showing, watched
from thermolinalg.laws.work import Drive
from thermolinalg.matrix_functions import Engines
from thermolinalg.operators import Dense
from thermolinalg.simulation.drives import work_by_products


@pytest.mark.parametrize("items", [range(3), [0, 1, 2], iter(range(3))])
def test_the_items_come_through(items, capsys):
    assert list(watched(items, "working", False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_bar_at_once_where_it_is_asked_for(capsys):
    assert list(watched(range(3), "working", True)) == [0, 1, 2]
    assert "working: 100%" in capsys.readouterr().err


def test_long_work_shows_a_bar_unasked(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 14.0, 16.0])
    monkeypatch.setattr(_progress, "monotonic", lambda: next(clock))
    assert list(watched(range(3), "working", False)) == [0, 1, 2]
    assert "67%" in capsys.readouterr().err  # it begins with what is done


def test_loops_far_below_see_what_a_call_asks_for(capsys):
    with showing(True), showing(False):
        assert list(watched(range(2), "working", tell=lambda i: f"item {i}")) == [0, 1]
    assert "working: 100%" in (told := capsys.readouterr().err)
    assert "item 1" in told
    assert list(watched(range(2), "working")) == [0, 1]
    assert capsys.readouterr().err == ""


A, B = spd(6), np.ones(6)
MANY = tla.Schedule(1.0, readings=2500, spacing=0.1)
LARGE = tla.operators.MatrixFree(tla.operators.Sparse(grid(66, 4.0)))
WATCHED = {
    "solve": ("run", lambda p: tla.solve(A, B, rng=0, progress=p)),
    "langevin": ("run", lambda p: tla.langevin(A, B, rng=0, progress=p)),
    "inv": ("run", lambda p: tla.inv(A, rng=0, progress=p)),
    "inv of many columns": ("block of columns", lambda p: tla.inv(spd(520), rng=0, progress=p)),
    "raw inv": ("block of readings", lambda p: tla.inv(A, refine=False, schedule=MANY, rng=0, progress=p)),
    "lstsq": ("run", lambda p: tla.lstsq(A, B, rng=0, progress=p)),
    "pinv": ("run", lambda p: tla.pinv(A, rng=0, progress=p)),
    "lyapunov": ("run", lambda p: tla.solve_continuous_lyapunov(A, A, rng=0, progress=p)),
    "sample": ("block of readings", lambda p: tla.sample(A, 3, rng=0, progress=p)),
    "a trajectory": ("block of readings", lambda p: tla.sample(A, schedule=MANY, rng=0, progress=p)),
    "a trajectory by products": (
        "reading",
        lambda p: tla.sample(LARGE, schedule=tla.Schedule(0.1, readings=3, spacing=0.1), rng=0, progress=p),
    ),
    "inv_diagonal": ("reading", lambda p: tla.inv_diagonal(A, rng=0, progress=p)),
    "slogdet": ("driving", lambda p: tla.slogdet(A, method="work", rng=0, progress=p)),
    "slogdet by readings": ("reading", lambda p: tla.slogdet(A, method="integration", rng=0, progress=p)),
    "slogdet by products": (
        "block of readings",
        lambda p: tla.slogdet(LARGE, atol=3.0, max_readings=2000, rng=0, progress=p),
    ),
    "expm": ("run", lambda p: tla.expm(-A, rng=0, progress=p)),
    "expm_multiply": ("step", lambda p: tla.expm_multiply(-A, B, 0.0, 2.0, 3, rng=0, progress=p)),
    "a prepared device": ("run", lambda p: tla.program(A, rng=0).solve(B, progress=p)),
    "its inverse": ("run", lambda p: tla.program(A, rng=0).inv(progress=p)),
    "its samples": ("block of readings", lambda p: tla.program(A, rng=0).sample(3, progress=p)),
    "its forms": ("run", lambda p: tla.program(A, rng=0).quadratic_form(B, progress=p)),
    "its variances": ("run", lambda p: tla.program(A, rng=0).variance_of(B, progress=p)),
}


@pytest.mark.parametrize("name", WATCHED)
def test_every_long_loop_is_watched_where_that_is_asked_for(name, capsys):
    what, call = WATCHED[name]
    expected = call(False)
    assert capsys.readouterr().err == ""
    found = call(True)
    assert f"{what}: " in capsys.readouterr().err
    for x, y in zip(*(value if isinstance(value, tuple) else (value,) for value in (found, expected)), strict=True):
        assert np.array_equal(x, y)  # watching changes nothing


def test_a_refinement_tells_its_residual(capsys):
    tla.solve(A, B, rng=0, progress=True)
    assert re.search(r"run: [1-9]\d*it .*residual \de-1[01]", capsys.readouterr().err)


def test_drives_by_products_are_watched(capsys):
    with showing(True):
        work_by_products(Engines(Dense(A)), Drive(1.0), 3, 2, rng=np.random.default_rng(0))
    assert "jump: " in capsys.readouterr().err


def test_a_bar_is_closed_where_work_ends_early(capsys):
    def stop(x):
        raise StopIteration

    _, status = tla.langevin(A, B, rng=0, callback=stop, progress=True)
    assert status == 1
    told = capsys.readouterr().err
    assert "run: 1it" in told
    assert told.endswith("\n")
