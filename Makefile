# Every job by one word. Each sets up what it needs; see scripts/setup.
#   make demo PYTHON=python3.12    another interpreter
#   make test ARGS="-k outbox"     more words for pytest (or for the demo)
#   make bench ARGS="capture wire"    some benchmarks only

ARGS ?=
# Of which device; without it the courier's app takes the van that a running demo keeps for you.
CONFIG ?=
PYTHON ?=
export PYTHON
# Tests start hundreds of processes, which should not compile everything anew each.
unexport PYTHONDONTWRITEBYTECODE

# Journeys mostly wait, so two workers more than cores; above four the brokers and browsers get in each other's way.
WORKERS = $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 2 )))
PYTEST := .venv/bin/pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal

.PHONY: help demo courier test test-fast bench soak setup lint format lock clean setup-run setup-test setup-courier

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: setup-run ## run the whole story: hub, vans, dock, routes, couriers, outages
	.venv/bin/holdfast-sim demo $(ARGS)

courier: setup-courier ## drive a van of the running demo; CONFIG=folder/agent.toml names another device
	@.venv/bin/holdfast-courier $(if $(CONFIG),--config $(CONFIG),--demo) $(ARGS)

test: lint ## lint and all tests
	$(PYTEST) $(ARGS)

test-fast: setup-test ## the tests that need no broker, process or browser
	$(PYTEST) -m "not slow" $(ARGS)

bench: setup-test ## measure speed, size and recovery; writes build/bench.json
	scripts/bench $(ARGS)

soak: setup-test ## prove for long: seeds, mutants, power cuts; ARGS="--minutes 30" bounds it
	scripts/soak $(ARGS)

setup: setup-test ## set up for everything, and do nothing else

lint: setup-test ## style and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup-test ## format the code and repair what ruff can
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock: setup-test ## solve the requirements anew, keeping pins that still fit
	scripts/lock $(ARGS)

clean: ## remove everything that set-up, tests and demo made
	rm -rf .venv node_modules hub/static/vendor build dist demo-data
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-run:
	@scripts/setup run

setup-test:
	@scripts/setup test

setup-courier:
	@scripts/setup courier
