# Every target sets up what it needs: nothing has to be installed by hand first.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
DATA ?= demo
PORT ?= 8000
# Two workers suit two cores; more processes only compete for them.
WORKERS ?= 2

.PHONY: help demo serve test check lint types layers gates bench bench-full bench-loss bench-mlflow lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## do the main job on real mortgage decisions, in ./demo
	@.ci/setup demo
	@$(PYTHON) -m examples.demo

serve: ## open the API and the audit UI on the ledger in DATA (default demo), on PORT (default 8000)
	@.ci/setup demo
	@LEDGER_DATA=$(DATA) PORT=$(PORT) .venv/bin/decision-ledger serve

test: ## install and run every test
	@.ci/setup dev
	@$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(if $(COVERAGE),--cov --cov-report=)

lint:
	@.ci/setup dev
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

types:
	@.ci/setup dev
	@.venv/bin/mypy

layers:
	@.ci/setup dev
	@.venv/bin/lint-imports

gates:
	@.venv/bin/coverage report --fail-under=95
	@.venv/bin/coverage report --fail-under=100 \
	  --include='ledger/tlog/*,ledger/verify/*,ledger/canonical.py,ledger/commitments.py,ledger/sealing.py'

check: lint types layers demo ## everything that continuous integration runs, `make test` included
	@$(MAKE) --no-print-directory test COVERAGE=1
	@$(MAKE) --no-print-directory gates

bench: ## measure the ratios of benchmarks/, write benchmarks/results.json
	@.ci/setup dev
	@$(PYTHON) -m benchmarks

bench-full: ## the same on longer logs, up to ten million entries; writes no file
	@.ci/setup dev
	@$(PYTHON) -m benchmarks --full

bench-loss: ## count what a burst of 10,000 decisions loses while everything is killed
	@.ci/setup dev
	@$(PYTHON) -m benchmarks.loss

bench-mlflow: ## the same, and the same burst against MLflow tracing, in an environment of its own
	@.ci/setup dev
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(PYTHON) -m venv "$$folder" && \
	  "$$folder/bin/pip" install -q --require-hashes -r requirements/mlflow.txt && \
	  $(PYTHON) -m benchmarks.loss --mlflow "$$folder/bin/python"

lock: ## resolve the pinned requirements again (needs uv on PATH)
	uv pip compile pyproject.toml --extra demo --extra postgres --group build -o requirements/demo.txt $(LOCK)
	uv pip compile pyproject.toml --extra demo --extra postgres --extra client --extra kms --extra models --extra parquet --group dev --group build \
	  -c requirements/demo.txt -o requirements/dev.txt $(LOCK)
	uv pip compile pyproject.toml -c requirements/demo.txt -o requirements/base.txt $(LOCK)
	echo 'mlflow>=3.17,<4' | uv pip compile - -o requirements/mlflow.txt $(LOCK)

clean: ## remove what the targets made, .venv included
	rm -rf .venv demo .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q
