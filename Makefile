# Everything starts here: `make run` and `make test` do their own set-up.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# The first that runs and is new enough: a name on the PATH may be a shim of a version that is not there.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo $$name && break; done)
UV_VERSION := 0.13.8
BIN := .venv/bin
# uv, not pip: it installs the same locked versions in seconds.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.txt
LOCALSTACK := localstack-core[runtime]==4.9.2
# What the benchmarks compare with, and what draws their plot; cryptofeed 2.4.1 runs on Python 3.11 alone.
PEERS := cryptofeed==2.4.1 ccxt==4.5.90 nautilus-trader==1.221.0 aiohttp==3.14.5 websockets==17.4 uvloop==0.22.1 \
	msgspec==0.22.0 orjson==3.13.0 ta-lib==0.8.2 talipp==2.7.0 matplotlib
DASHBOARD := dashboard/dist/index.html
RUN_ARGS ?=
BENCH_ARGS ?=
SYNTH_ARGS ?=
TICKWIRE_REALDATA ?= ../shared/realdata
CANDLES ?= $(wildcard $(TICKWIRE_REALDATA)/candles/*_15m_*.parquet)

.PHONY: help setup setup-dev run test test-all train synth snapshots reliability bench bench-quick setup-peers test-localstack setup-localstack check format lock lock-localstack lock-peers clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: .venv/.installed $(DASHBOARD) .venv/.kernels ## Make .venv with the command `tickwire`, build the page, compile the hot loops

setup-dev: setup .venv/.installed-dev

run: setup ## Run the whole platform here (RUN_ARGS="--seconds 60", "--live", …)
	@$(BIN)/tickwire run $(RUN_ARGS)

test: setup-dev node_modules/.package-lock.json ## The fast tier, which CI runs
	$(BIN)/python -m pytest -m "not slow"

test-all: setup-dev node_modules/.package-lock.json ## Every test
	$(BIN)/python -m pytest

synth: setup-dev node_modules/.package-lock.json ## Make what `cdk deploy` uploads, of every stage, twice, compare and lint it (SYNTH_ARGS="--stage dev --once", --no-bundle)
	$(BIN)/python -m cdk.synthesis $(SYNTH_ARGS)

snapshots: setup-dev ## Write the templates anew as reviewers read them: tests/infra/snapshots
	$(BIN)/python -m tests.infra.snapshots

train: setup-dev ## Train the model that is shipped anew (CANDLES="FILE …"; the candles below TICKWIRE_REALDATA unless given)
	@test -n "$(CANDLES)" || { echo "no candles in $(TICKWIRE_REALDATA)/candles; name them: make train CANDLES=\"FILE …\"" >&2; exit 1; }
	$(BIN)/tickwire train --candles $(CANDLES) --out tickwire/model/shipped

reliability: setup-dev ## Make docs/reliability.md anew: every fault, every pair, every kill, a long outage (an hour)
	rm -rf .tickwire/reliability && mkdir -p .tickwire/reliability
	TICKWIRE_RELIABILITY=$(CURDIR)/.tickwire/reliability/measured.jsonl $(BIN)/python -m pytest tests/e2e/test_faults.py -k "every_fault or pairs or killed"
	$(BIN)/python -m benchmarks.outage --out .tickwire/reliability/outage.json
	$(BIN)/python -m benchmarks.reliability .tickwire/reliability/measured.jsonl --outage .tickwire/reliability/outage.json > .tickwire/reliability/page.md
	mv .tickwire/reliability/page.md docs/reliability.md

bench: setup-dev setup-peers ## Measure every stage beside its peers, and make docs/performance.md and its plot anew (15 minutes)
	$(BIN)/python -m benchmarks --platform > /dev/null
	$(BIN)/python -m benchmarks.page
	.venv-peers/bin/python -m benchmarks.plot

bench-quick: setup-dev setup-peers ## Measure the main stages beside their peers (two minutes); BENCH_ARGS="--only parse", …
	$(BIN)/python -m benchmarks --quick $(BENCH_ARGS)

setup-peers: .venv-peers/.installed

setup-localstack: .venv-localstack/.installed

test-localstack: setup-dev $(if $(TICKWIRE_TEST_ENDPOINT),,setup-localstack) ## The integration tests against LocalStack
	$(BIN)/python -m pytest tests/integration -m services --emulator $(or $(TICKWIRE_TEST_ENDPOINT),localstack)

check: setup-dev ## Lint, format, strict types, the page's types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd dashboard && npm run --silent check && npm test --silent

format: setup-dev ## Format and sort
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/.uv ## Resolve pyproject.toml anew into requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header pyproject.toml -o requirements.txt

lock-localstack: .venv/.uv
	echo '$(LOCALSTACK)' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --exclude-newer 2025-10-15 --no-header - -o requirements-localstack.txt

lock-peers: .venv/.uv
	echo '$(PEERS)' | tr ' ' '\n' | $(BIN)/uv pip compile --quiet --python-version 3.11 --no-header - -o requirements-peers.txt

clean: ## Remove what was built and what runs left
	rm -rf .venv .venv-localstack .venv-peers .tickwire cdk.out node_modules dashboard/node_modules dashboard/dist

.venv/.uv:
	@test -n "$(PYTHON)" || { echo "Tickwire needs Python 3.11 or newer on the PATH" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tickwire needs Python 3.11 or newer; $(PYTHON) is older. Name another with PYTHON=…" >&2; exit 1; }
	@echo "making .venv with $(PYTHON)"
	@"$(PYTHON)" -m venv .venv || { echo "python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/.installed: .venv/.uv pyproject.toml requirements.txt
	@echo "installing the locked packages"
	@$(INSTALL) --editable '.[local]'
	@touch $@

# So that neither a run nor a test waits for a compiler; what is compiled already is only looked at.
.venv/.kernels: .venv/.installed $(shell find tickwire -name '*_kernel.py' -o -name 'layout*.py')
	@echo "compiling the hot loops"
	@$(BIN)/python -m tickwire.warm --quiet
	@touch $@

.venv/.installed-dev: .venv/.installed
	@echo "installing the test packages"
	@$(INSTALL) --editable '.[local,dev,train,drift,operator]'
	@touch $@

# LocalStack's Kinesis is an npm package, which it would otherwise install when it is first asked for a stream.
.venv-localstack/.installed: requirements-localstack.txt | .venv/.uv
	@echo "making .venv-localstack"
	@$(BIN)/uv venv --quiet --clear --python '>=3.11,<3.14' .venv-localstack
	@$(BIN)/uv pip install --quiet --python .venv-localstack/bin/python --requirement requirements-localstack.txt
	@OVERRIDE_IN_DOCKER=0 FILESYSTEM_ROOT=$(CURDIR)/.venv-localstack/packages .venv-localstack/bin/python -m localstack.cli.lpm install --target static_libs kinesis-mock > /dev/null
	@touch $@

# The CDK's command line, at the version of the lock.
node_modules/.package-lock.json: package-lock.json
	@command -v node > /dev/null || { echo "Tickwire needs Node 20 or newer on the PATH" >&2; exit 1; }
	@npm ci --silent --no-audit --no-fund
	@touch $@

.venv-peers/.installed: requirements-peers.txt | .venv/.uv
	@echo "making .venv-peers"
	@$(BIN)/uv venv --quiet --clear --python '>=3.11,<3.12' .venv-peers
	@$(BIN)/uv pip install --quiet --python .venv-peers/bin/python --requirement requirements-peers.txt
	@touch $@

$(DASHBOARD): dashboard/package-lock.json dashboard/index.html $(shell find dashboard/src dashboard/public -type f)
	@command -v node > /dev/null || { echo "Tickwire needs Node 20 or newer on the PATH" >&2; exit 1; }
	@echo "building the page"
	@cd dashboard && npm ci --silent --no-audit --no-fund && npm run --silent build > /dev/null
