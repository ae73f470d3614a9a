"""Seconds and joules against sums by hand; what is unknown stays unknown."""

from dataclasses import fields, replace

import numpy as np
import pytest
import scipy.sparse

import thermolinalg as tla
from thermolinalg.devices import Ledger
from thermolinalg.hardware import (
    A100,
    INTEGRATED,
    PAPER,
    PCB,
    Computer,
    Hardware,
    Quantity,
    as_hardware,
    conversion_energy,
    this_computer,
)
from thermolinalg.operators import BlockDiagonal, Diagonal, LowRankPlusIdentity, SkewEmbedding, Sparse
from thermolinalg.operators.read import read_matrix


def ledger_of(d: int, runs: int = 1, time: float = 0.0, couplings: int | None = None) -> Ledger:
    ledger = Ledger()
    ledger.write(d * d if couplings is None else couplings)
    ledger.record(d, runs, time)
    return ledger


@pytest.mark.parametrize(
    ("d", "seconds"), [(100, 3.2e-6), (1000, 0.32e-3), (3000, 2.9e-3), (5000, 8e-3), (10**4, 32e-3)]
)
def test_the_paper_s_loading_times(d, seconds):
    assert PAPER.bill(ledger_of(d)).part("write") == pytest.approx(seconds, rel=0.01)


def test_the_paper_s_whole_run():
    bill = PAPER.bill(ledger_of(1000, runs=3, time=50.0))
    assert bill.seconds == pytest.approx((1000**2 + 2 * 3000) * 16 / 50e9 + 150e-6)
    assert bill.part("relax") == pytest.approx(150e-6)


def test_the_paper_tells_no_energy():
    bill = PAPER.bill(ledger_of(100, runs=1, time=10.0))
    assert bill.joules is None
    assert bill.known_joules == 0.0
    assert bill.energy_written == "unknown"
    assert "unknown" in str(bill)


def test_every_item_by_hand():
    hardware = Hardware(
        "by hand",
        bits=10,
        link_rate=1e6,
        conversion_rate=1e3,
        channels=2,
        time_constant=1e-3,
        conductance=0.5,
        voltage=0.1,
        load_energy=2.0,
        read_energy=3.0,
        write_energy=5.0,
        link_energy=0.01,
        amplifier_power=7.0,
        noise_power=11.0,
        standby_power=13.0,
    )
    ledger = Ledger()
    ledger.write(couplings=6)
    ledger.record(d=3, runs=2, time_each=4.0, readings=5)
    bill = hardware.bill(ledger)
    each = 1 / 2000  # the converters are slower than the link, 10/1e6
    times = {"write": 6 * each, "load": 6 * each, "relax": 8e-3, "read": 30 * each}
    assert {item.name: item.total for item in bill.times} == pytest.approx(times)
    energies = {
        "write": 30.0,
        "load": 12.0,
        "read": 90.0,
        "link": (6 + 6 + 30) * 10 * 0.01,
        "array": 8e-3 * 6 * 0.5 * 0.01,
        "amplifiers": 8e-3 * 3 * 7.0,
        "noise": 8e-3 * 3 * 11.0,
        "standby": sum(times.values()) * 13.0,
    }
    assert {item.name: item.total for item in bill.energies} == pytest.approx(energies)
    assert bill.joules == pytest.approx(sum(energies.values()))
    assert bill.known_joules == pytest.approx(bill.joules)
    assert bill.unknown == ()
    told = bill.to_dict()
    assert told["joules"] == bill.joules
    assert [item["source"] for item in told["times"]][2] == "as given"


def test_static_power_of_the_research_s_array():
    """0.5 mS and 0.1 V: 50 mW at d = 100, 5 W at d = 1000."""
    for d, power in ((100, 50e-3), (1000, 5.0)):
        bill = PCB.bill(ledger_of(d, runs=1, time=1e6))
        assert bill.part("array", "J") / bill.part("relax") == pytest.approx(power)


def test_converters_by_their_figures_of_merit():
    for bits, energy in ((8, 0.56e-12), (10, 2.25e-12), (12, 9.0e-12), (14, 0.63e-9), (16, 10e-9)):
        assert conversion_energy(bits).value == pytest.approx(energy, rel=0.03)
    assert conversion_energy(16, schreier=165).value == pytest.approx(10 * conversion_energy(16).value)


def test_unknown_is_no_zero():
    ledger = ledger_of(4, runs=2, time=3.0)
    for name in ("link_energy", "amplifier_power", "standby_power", "write_energy", "read_energy", "voltage"):
        known = replace(INTEGRATED, standby_power=1.0)
        assert known.bill(ledger).joules > 0
        bill = replace(known, **{name: None}).bill(ledger)
        assert bill.joules is None
        assert 0 < bill.known_joules < known.bill(ledger).joules
        assert len(bill.unknown) == 1
        assert f"({bill.unknown[0]} unknown)" in bill.energy_written
    assert replace(PAPER, link_rate=None).bill(ledger).seconds is None


def test_what_never_happened_costs_nothing_whatever_its_price():
    bill = PAPER.bill(Ledger())
    assert bill.seconds == 0.0
    assert bill.joules == 0.0


def test_every_number_of_a_preset_has_its_source():
    for hardware in (PAPER, PCB, INTEGRATED, A100):
        for field in fields(hardware):
            number = getattr(hardware, field.name)
            if field.name != "name":
                assert isinstance(number, Quantity)
                assert number.source.strip()
                assert number.source in str(hardware)


# -- ledgers ----------------------------------------------------------------------------------------------------------


def test_a_device_books_its_couplings_nodes_and_time():
    A = np.diag([1.0, 2.0, 3.0]) + 0.1
    _, info = tla.solve(A, np.ones(3), rtol=1e-3, rng=0, return_info=True)
    ledger = info.ledger
    assert ledger.written == ledger.couplings == 9
    assert ledger.node_time == pytest.approx(3 * ledger.device_time)
    assert ledger.coupling_time == pytest.approx(9 * ledger.device_time)
    assert ledger.values_in == 3 * ledger.runs


@pytest.mark.parametrize(
    ("A", "couplings"),
    [
        (np.eye(4), 16),
        (scipy.sparse.eye_array(5, format="csr"), 5),
        (scipy.sparse.diags_array([[1.0] * 4, [4.0] * 5, [1.0] * 4], offsets=[-1, 0, 1]), 13),
        (Diagonal(np.ones(7)), 7),
        (LowRankPlusIdentity(np.ones((2, 50)), 1.0), 2 * 102),
        (LowRankPlusIdentity(np.ones((3, 3)), 1.0), 9),
        (BlockDiagonal([np.eye(2), Diagonal([5.0])]), 5),
        (SkewEmbedding(Sparse(scipy.sparse.eye_array(3, format="csr")), 0.5), 12),
        (Sparse(scipy.sparse.eye_array(3, format="csr"), symmetric=False).T, 3),
    ],
)
def test_couplings_of_a_structure(A, couplings):
    operator = A if hasattr(A, "couplings") else read_matrix(A, name="a").operator
    assert operator.couplings == couplings


def test_ledgers_go_on_from_matrix_to_matrix():
    device = tla.program(np.eye(3), rng=0)
    device.solve(np.ones(3))
    first = device.ledger
    times = first.coupling_time, first.device_time
    device.update(np.eye(2)).solve(np.ones(2))
    assert device.ledger.written == 9 + 4
    assert device.ledger.coupling_time == pytest.approx(times[0] + 4 * (device.ledger.device_time - times[1]))


def test_a_device_that_tells_no_couplings_gives_a_bill_with_holes():
    ledger = Ledger(programs=1)
    ledger.record(3, 1, 10.0)
    assert ledger.written is None
    assert ledger.coupling_time is None
    bill = replace(INTEGRATED, standby_power=0.0).bill(ledger)
    assert bill.unknown == ("write", "write", "link", "array")
    assert bill.seconds is None
    known = ledger_of(3)
    known.carry(ledger)
    assert known.written is None
    assert known.programs == 2


# -- computers --------------------------------------------------------------------------------------------------------


def test_this_computer_is_timed_once():
    computer = this_computer()
    assert computer is this_computer()
    assert computer.power.value is None
    for kind in ("factor", "product", "sparse_factor", "sparse_product"):
        assert 0 < computer.seconds(1e9, kind) < 1e3


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: replace(PCB, read_energy=-1.0), ValueError, "read_energy must not be negative"),
        (lambda: replace(PCB, standby_power=float("nan")), ValueError, "standby_power must be finite"),
        (lambda: replace(PCB, standby_power=float("inf")), ValueError, "standby_power must be finite"),
        (lambda: replace(PCB, link_rate=0), ValueError, "link_rate must be positive"),
        (lambda: replace(PCB, bits="many"), TypeError, "bits must be a real number"),
        (lambda: replace(PCB, voltage=Quantity(1.0, "A", "x")), ValueError, "voltage has the unit 'V', got 'A'"),
        (lambda: replace(PCB, colour=1.0), TypeError, "colour"),
        (lambda: Quantity(-1.0, "s", "x"), ValueError, "value must not be negative"),
        (lambda: Quantity(1.0, "s", " "), ValueError, "needs its source"),
        (lambda: as_hardware("papre"), ValueError, "must be one of 'paper', 'pcb', 'integrated'"),
        (lambda: as_hardware(3), TypeError, "must be a Hardware or one of"),
        (lambda: Computer("x", factor_rate=0.0), ValueError, "factor_rate must be positive"),
        (lambda: Computer("x", power=-5.0), ValueError, "power must not be negative"),
        (lambda: conversion_energy(0), ValueError, "bits must be at least 1"),
        (lambda: conversion_energy(8, walden=0), ValueError, "walden must be positive"),
        (lambda: PAPER.bill(Ledger()).part("coffee"), KeyError, "there are write, load, relax, read"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, words):
    with pytest.raises(error, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)
