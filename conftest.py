"""The Python code blocks of the README and the documentation run as tests; which tests are of which tier."""

from collections import Counter
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from importlib.util import find_spec

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

LIGHT = find_spec("torch") is None
"""Whether the tests that need torch are left out."""

PEERS = (
    "tests/scipy_contracts/",
    "natural_gradient/",
    "cvxpy",
    "/estimators/test_checks",
    "scikit_learn_checks",
    "statsmodels",
    "torch",
    "tensor",
)
"""What the names of tests of the tier `peers` contain."""

TORCH_PAGES = [
    "docs/natural_gradient.md",
    "docs/extending_natural_gradients.md",
    "docs/gradients.md",
    "docs/tutorials/training.md",
]
"""Pages whose examples are torch's; `make test-peers` names them as well."""

collect_ignore_glob = ["*/thermoapps/natural_gradient/*", *TORCH_PAGES] if LIGHT else []

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=lambda names: names.update(without_torch=LIGHT),
).pytest()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by name what belongs to the tier `peers`; pages of the documentation belong to every tier.

    Of the cases of a test marked ``thinned(n)`` the default tier takes every n-th, and the tier `slow` the others.
    """
    seen: Counter[str] = Counter()
    for item in items:
        thinned = item.get_closest_marker("thinned")
        if thinned is not None:
            family = item.nodeid.partition("[")[0]
            if seen[family] % thinned.args[0]:
                item.add_marker("slow")
            seen[family] += 1
        if ".md::" not in item.nodeid and any(part in item.nodeid.lower() for part in PEERS):
            item.add_marker("peers")
