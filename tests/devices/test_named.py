"""Devices of other packages, by name."""

from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

import thermolinalg as tla
from thermolinalg.devices import PCB2024, LangevinDevice, installed_devices, named

A = np.array([[4.0, 1.0], [1.0, 3.0]])
COARSE = LangevinDevice(imperfections=PCB2024())


def coarse():
    return COARSE


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    values = {
        "plain": "thermolinalg.devices:LangevinDevice",
        "chip": f"{__name__}:COARSE",
        "made": f"{__name__}:coarse",
    }
    points = EntryPoints(EntryPoint(name, value, named.GROUP) for name, value in values.items())
    monkeypatch.setattr(named, "entry_points", lambda group: points.select(group=group))


def test_names_are_listed():
    assert installed_devices() == ("chip", "made", "plain")


@pytest.mark.parametrize("name", ["plain", "chip", "made"])
def test_a_name_stands_for_a_device(name):
    x, info = tla.solve(A, [1.0, 2.0], device=name, rng=0, return_info=True)
    np.testing.assert_allclose(x, np.linalg.solve(A, [1.0, 2.0]), rtol=1e-9)
    assert info.success


@pytest.mark.parametrize(
    "call",
    [
        lambda name: tla.solve(A, [1.0, 2.0], device=name),
        lambda name: tla.program(A, device=name),
        lambda name: tla.slogdet(A, device=name),
        lambda name: tla.sample(A, 3, device=name),
        lambda name: tla.expm(A, device=name),
        lambda name: tla.solve_continuous_lyapunov(A, np.eye(2), device=name),
    ],
    ids=["solve", "program", "slogdet", "sample", "expm", "lyapunov"],
)
def test_an_unknown_name_is_refused_with_those_that_are_known(call):
    with pytest.raises(TypeError, match=r"not 'fast', which is no name .*registered: chip, made, plain"):
        call("fast")


def test_nothing_registered(monkeypatch):
    monkeypatch.setattr(named, "entry_points", lambda group: EntryPoints())
    with pytest.raises(TypeError, match="registered: none"):
        tla.solve(A, [1.0, 2.0], device="chip")
