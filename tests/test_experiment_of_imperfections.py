"""The experiment on imperfections, at a size of seconds, and the table of the page that shows it."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from thermolinalg.devices import PCB2024, IntegratedCMOS, PaperTNGD, Pessimistic

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_laws_stand_beside_the_data_and_runs_beside_products(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    places = ["--results", str(tmp_path), "--pictures", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["imperfections", "--dies", "2", *places])
    importlib.import_module("imperfections").main()
    found = json.loads((tmp_path / "imperfections.json").read_text(encoding="utf-8"))
    assert (tmp_path / "imperfections.png").stat().st_size > 10_000
    for curves in found["sweeps"].values():
        assert [curve["condition"] for curve in curves] == [3.0, 10.0, 100.0, 1000.0]
        for curve in curves[:3]:
            error, law = np.array(curve["error"]), np.array(curve["law"])
            small = law < 0.03
            assert np.all((error[small] > 0.1 * law[small]) & (error[small] < 4 * law[small]))
    for curve in found["refinement"]:
        assert max(curve["runs"]) <= curve["products of CG"] + 4


def test_the_table_of_the_page_has_the_numbers_of_the_presets():
    text = (ROOT / "docs" / "imperfections.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| (.*) \|$", text, flags=re.MULTILINE)
    presets = [PaperTNGD(), PCB2024(), IntegratedCMOS(), Pessimistic()]
    stated = {
        (part, name)
        for preset in presets
        for part, held in preset.parts.items()
        for name in held.quantities()
        if getattr(held, name) != getattr(type(held), name)
    }
    told = {}
    for part, name, cells in rows:
        if len(cells.split(" | ")) == len(presets):
            told[part, name] = cells.split(" | ")
    assert set(told) == stated
    for (part, name), cells in told.items():
        for preset, cell in zip(presets, cells, strict=True):
            value = getattr(preset.parts[part], name)
            ideal = getattr(type(preset.parts[part]), name)
            assert cell == ("unknown" if value is None else "–" if value == ideal else f"{float(value):.4g}")
