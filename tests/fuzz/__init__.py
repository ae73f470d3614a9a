"""Random questions to every public call, judged in rational arithmetic: ``python -m tests.fuzz``."""
