# Every verb sets itself up; all it needs is Python 3.11 or newer with venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PEERS_READY := .venv/.ready-peers
OLDEST_READY := .venv-oldest/.ready
NEWEST_READY := .venv-newest/.ready
BENCH_READY := .venv-bench/.ready
BENCH_NGD_READY := .venv-bench/.ready-ngd
BENCH_SCALE_READY := .venv-bench-scale/.ready
BENCH_SAMPLING_READY := .venv-bench-sampling/.ready
BENCH_APPS_READY := .venv-bench-apps/.ready
TESTED := .[sde,plot,cli,sklearn,annealing,parallel,test]
LIGHT := .[sde,plot,cli,sklearn,annealing,parallel,test,docs]
EVERYTHING := .[all,dask,mpi,test,docs]
# One file's tests stay on one worker, since the code blocks of a page build on each other.
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MPLBACKEND=Agg $(1)/bin/python -m pytest -n 2 --dist loadfile

.PHONY: demo test test-peers test-slow test-oldest test-newest lint types imports unit fuzz docs bench bench-ngd bench-scale bench-sampling bench-apps dist clean help
.NOTPARALLEL:
.DEFAULT_GOAL := help

demo: $(READY)  ## solve, invert, sample and take determinants on real data: a table and a picture
	$(BIN)/thermolinalg demo --force

test: lint types imports unit docs  ## the checks of every day, in minutes and without torch

test-peers: $(PEERS_READY)  ## other packages' suites re-aimed at this one, and all that needs torch
	$(BIN)/mypy
	$(call PYTEST,.venv) -m "peers and not slow"
	$(call PYTEST,.venv) README.md docs/natural_gradient.md docs/extending_natural_gradients.md docs/gradients.md docs/tutorials/training.md

test-slow: $(READY)  ## grids of error bars, and fuzzing in full
	$(call PYTEST,.venv) -m slow

test-oldest: $(OLDEST_READY)  ## the oldest versions that pyproject.toml allows
	SCIPY_ARRAY_API=1 $(call PYTEST,.venv-oldest)  # scikit-learn 1.6 asks for it

test-newest: $(NEWEST_READY)  ## the newest versions of everything; PYTHON=python3.13 chooses an interpreter
	$(call PYTEST,.venv-newest)

lint: $(READY)  ## ruff: rules (docstrings in numpydoc style included) and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy --strict on the core; `make test-peers` has both packages
	$(BIN)/mypy thermolinalg

imports: $(READY)  ## imports go one way only
	$(BIN)/lint-imports --no-logo

unit: $(READY)  ## tests, doctests and the code blocks of the README and the docs
	$(call PYTEST,.venv)

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
	.venv-bench/bin/python -m benchmarks.natural_gradient.parts
	.venv-bench/bin/python -m benchmarks.natural_gradient

bench-scale: $(BENCH_SCALE_READY)  ## a million unknowns, any condition, small systems; goes on where it was stopped
	.venv-bench-scale/bin/python -m benchmarks.scale

bench-sampling: $(BENCH_SAMPLING_READY)  ## annealing, fields, series and posteriors beside what their fields use
	.venv-bench-sampling/bin/python -m benchmarks.sampling

bench-apps: $(BENCH_APPS_READY)  ## fits, processes, programs and minima beside SciPy, scikit-learn, Clarabel and OSQP
	.venv-bench-apps/bin/python -m benchmarks.applications

dist: $(READY)  ## sdist and wheel into dist/, checked, and installed into an empty environment for a quick demonstration
	$(BIN)/python -m pip install --quiet build twine
	rm -rf dist .venv-dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python -m pip install --quiet "$$(ls dist/*.whl)[cli,plot,sklearn]"
	cd dist && ../.venv-dist/bin/thermolinalg demo --quick --output ../.venv-dist/demo.png
	rm -rf .venv-dist build

clean:  ## back to a fresh clone
	rm -rf .venv .venv-bench .venv-bench-scale .venv-bench-sampling .venv-bench-apps .venv-oldest .venv-newest .venv-dist site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(call environment,.venv,-c constraints.txt -e '$(LIGHT)')

$(PEERS_READY): $(READY) tests/requirements-peers.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '$(EVERYTHING)'
	$(BIN)/python -m pip install --quiet --no-deps -r tests/requirements-peers.txt
	@touch $@

# torch is left out of both: an unpinned one may come with gigabytes of GPU libraries.
$(OLDEST_READY): pyproject.toml tests/oldest.py
	mkdir -p .venv-oldest
	$(PYTHON) tests/oldest.py > .venv-oldest/constraints.txt
	$(call environment,.venv-oldest,-c .venv-oldest/constraints.txt -e '$(TESTED)')

$(NEWEST_READY): pyproject.toml
	$(call environment,.venv-newest,--upgrade -e '$(TESTED)')

$(BENCH_READY): benchmarks/requirements.txt pyproject.toml constraints.txt
	$(call environment,.venv-bench,-c constraints.txt -r benchmarks/requirements.txt -e .)

$(BENCH_NGD_READY): benchmarks/requirements-ngd.txt $(BENCH_READY)
	.venv-bench/bin/python -m pip install --quiet --no-deps -r benchmarks/requirements-ngd.txt
	@touch $@

$(BENCH_SCALE_READY): benchmarks/requirements-scale.txt pyproject.toml constraints.txt
	$(call environment,.venv-bench-scale,-c constraints.txt -r benchmarks/requirements-scale.txt -e .)

$(BENCH_SAMPLING_READY): benchmarks/requirements-sampling.txt pyproject.toml constraints.txt
	$(call environment,.venv-bench-sampling,-c constraints.txt -r benchmarks/requirements-sampling.txt -e .)

$(BENCH_APPS_READY): benchmarks/requirements-apps.txt pyproject.toml constraints.txt
	$(call environment,.venv-bench-apps,-c constraints.txt -r benchmarks/requirements-apps.txt -e .)

# $(1) the folder, $(2) what pip installs into it; the stamp is written only when all went well.
define environment
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet $(2)
	@touch $@
endef
