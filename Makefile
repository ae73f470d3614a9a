# Every verb sets itself up; all it needs is Python 3.11 or newer with venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BENCH_READY := .venv-bench/.ready
BENCH_NGD_READY := .venv-bench/.ready-ngd
EVERYTHING := .[all,test,docs]

.PHONY: demo test lint types imports unit fuzz docs bench bench-ngd clean help
.NOTPARALLEL:
.DEFAULT_GOAL := help

demo: $(READY)  ## solve, invert, sample and take determinants on real data: a table and a picture
	$(BIN)/thermolinalg demo

test: lint types imports unit docs  ## all checks, the ones continuous integration runs

lint: $(READY)  ## ruff: rules (docstrings in numpydoc style included) and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy --strict on both packages
	$(BIN)/mypy

imports: $(READY)  ## imports go one way only
	$(BIN)/lint-imports --no-logo

# One file's tests stay on one worker, since the code blocks of a page build on each other.
unit: export OMP_NUM_THREADS := 1
unit: export OPENBLAS_NUM_THREADS := 1
unit: export MPLBACKEND := Agg
unit: $(READY)  ## tests, doctests and the code blocks of the README and the docs
	$(BIN)/pytest -n 2 --dist loadfile

fuzz: export OMP_NUM_THREADS := 1
fuzz: export OPENBLAS_NUM_THREADS := 1
fuzz: $(READY)  ## ten thousand random questions, judged in rational arithmetic; more: python -m tests.fuzz --help
	$(BIN)/python -m tests.fuzz --cases 10000 --seed 0

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(READY)  ## the documentation, into site/
	$(BIN)/mkdocs build --strict

bench: $(BENCH_READY)  ## side by side with peers, in an environment of its own
	.venv-bench/bin/python -m benchmarks

bench-ngd: $(BENCH_NGD_READY)  ## steps of natural gradient descent beside Adam and time stepping
	.venv-bench/bin/python -m benchmarks.natural_gradient

clean:  ## back to a fresh clone
	rm -rf .venv .venv-bench site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt tests/requirements-peers.txt
	$(call environment,.venv,-e '$(EVERYTHING)',-r tests/requirements-peers.txt)

$(BENCH_READY): benchmarks/requirements.txt pyproject.toml constraints.txt
	$(call environment,.venv-bench,-r benchmarks/requirements.txt -e .)

$(BENCH_NGD_READY): benchmarks/requirements-ngd.txt $(BENCH_READY)
	.venv-bench/bin/python -m pip install --quiet --no-deps -r benchmarks/requirements-ngd.txt
	@touch $@

# $(1) the folder, $(2) what pip installs into it, $(3) what without dependencies, if anything; the stamp is written
# only when all went well.
define environment
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet -c constraints.txt $(2)
	$(if $(3),$(1)/bin/python -m pip install --quiet --no-deps $(3))
	@touch $@
endef
