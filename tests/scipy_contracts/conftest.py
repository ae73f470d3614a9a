"""SciPy's test modules, imported as they are shipped, bring marks of their own."""


def pytest_configure(config):
    for mark in ("fail_slow", "slow", "xslow", "parallel_threads_limit", "thread_unsafe", "skip_xp_invalid_arg"):
        config.addinivalue_line("markers", f"{mark}: known to SciPy's test runner, without effect here")
