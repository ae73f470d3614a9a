"""What a device is made of is looked at when it is made, and not in the middle of a call."""

import re

import pytest

from thermolinalg import Imperfections, LangevinDevice
from thermolinalg.devices import (
    Averaged,
    Calibrated,
    Ensemble,
    LatticeDevice,
    PreparedStart,
    RemoteDevice,
    SaturatingDevice,
    TiledDevice,
)
from thermolinalg.systems.chosen import as_device

WRONG = {
    "law": [LangevinDevice],
    "loading": [LangevinDevice, LatticeDevice, SaturatingDevice],
    "imperfections": [LangevinDevice, SaturatingDevice],
    "integrator": [SaturatingDevice],
    "energy": [lambda energy: SaturatingDevice(bend=energy)],
    "partition": [lambda partition: TiledDevice(LangevinDevice(), 4, partition=partition)],
    "device": [Averaged, Calibrated, Ensemble, PreparedStart, lambda device: TiledDevice(device, 4), as_device],
    "fit": [lambda fit: Calibrated(LangevinDevice(), fit)],
}


@pytest.mark.parametrize(("name", "make"), [(name, make) for name, makes in WRONG.items() for make in makes])
@pytest.mark.parametrize("part", [0.5, "PCB2024", [1]])
def test_what_is_no_such_part_is_refused(name, make, part):
    with pytest.raises((TypeError, ValueError), match=name):
        make(**{name: part}) if isinstance(make, type) else make(part)


@pytest.mark.parametrize("make", WRONG["device"])
def test_a_class_is_no_device(make):
    with pytest.raises(TypeError, match=re.escape("such as LangevinDevice(); not <class")):
        make(LangevinDevice)


@pytest.mark.parametrize("make", WRONG["imperfections"])
def test_a_class_is_no_die(make):
    with pytest.raises(TypeError, match="those of one die"):
        make(imperfections=Imperfections)


def test_what_makes_a_device_elsewhere_may_be_a_class():
    assert "LangevinDevice" in repr(RemoteDevice(LangevinDevice))
    with pytest.raises(TypeError, match="device must have a method program"):
        RemoteDevice("a chip")
