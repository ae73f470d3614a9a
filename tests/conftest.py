"""Settings and fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("local", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if "CI" in os.environ else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        metavar="FOLDER",
        default=os.environ.get("THERMOLINALG_DATA"),
        help="folder of problem data beside the checkout (also: THERMOLINALG_DATA)",
    )


@pytest.fixture(scope="session")
def data_folder(pytestconfig: pytest.Config) -> Path:
    """A folder of problem data beside the checkout; a test that asks for it is skipped where there is none."""
    chosen = pytestconfig.getoption("--data")
    folder = Path(chosen) if chosen else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if chosen:
            pytest.fail(f"no such folder of problem data: {folder}")
        pytest.skip("no problem data beside the checkout: name a folder with --data=FOLDER or THERMOLINALG_DATA")
    return folder
