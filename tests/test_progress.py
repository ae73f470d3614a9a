from __future__ import annotations

import pytest

from thermolinalg import _progress
from thermolinalg._progress import watched


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
