"""SciPy's test modules bring marks of their own, which SciPy registers itself, and settings of hypothesis."""

from hypothesis import settings

profile = settings.get_current_profile_name()
from scipy.conftest import pytest_configure  # noqa: E402 - importing it loads SciPy's profile

settings.load_profile(profile)

__all__ = ["pytest_configure"]
