"""Importing SciPy's test modules loads SciPy's profile of hypothesis; ours is put back."""

from hypothesis import settings

profile = settings.get_current_profile_name()
import scipy.conftest  # noqa: E402, F401 - what loads the other profile

settings.load_profile(profile)
