# Two commands do it all: `make run` (install, run the main job) and `make test` (install, test).
PYTHON ?= python3.11
BIN := .venv/bin
# A worker per core. The tests of a file stay together, since they share its fixtures; files go in their order, long ones early.
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: run dev test test-all lint validate audit bench clean

run: .venv/installed
	$(BIN)/kc run

dev: .venv/installed
	$(BIN)/kc dev

test: .venv/installed-dev
	$(PYTEST) -m "not slow"

test-all: .venv/installed-dev
	$(PYTEST)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

validate: .venv/installed
	$(BIN)/dagster definitions validate -w workspace.yaml

# Ours beside the alternatives; BENCH="--size small --only J1,J4" for less.
bench: .venv/installed-dev .venv-engines/installed
	$(BIN)/python benchmarks/suite.py --engines .venv-engines/bin/python $(BENCH)

.venv-engines/installed: benchmarks/engines.txt
	$(PYTHON) -m venv .venv-engines
	.venv-engines/bin/pip install --quiet --disable-pip-version-check -r benchmarks/engines.txt
	touch $@

# Known weaknesses of the pinned versions, from PyPI's advisories; fails where one is found or cannot be looked up.
audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

.venv/installed: pyproject.toml setup.cfg constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,dask,docker,k8s,postgres]'
	touch $@

clean:
	rm -rf .venv .venv-audit .venv-engines build *.egg-info
