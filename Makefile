# Everything there is to do with this repository. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run up down chaos test check unit clients compat bench bench-access bench-annotations bench-fill bench-neighbour bench-stack load lint fmt deny definitions openapi settings prices prerequisites

CARGO ?= cargo
BENNU := target/release/bennu
CLIENTS := services/standalone/tests/clients/run.py
REFERENCE := .venv/reference/bin/phoenix

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build Bennu and run it: ports 6006 (HTTP) and 4317 (gRPC), data in ~/.bennu
	@deploy/prerequisites.sh build
	$(CARGO) build --release --package bennu-standalone
	exec $(BENNU) serve

up: ## Run the distributed shape on this machine: throw-away servers, the services, the gateway
	@deploy/prerequisites.sh test
	$(CARGO) build --release --workspace --bins
	@deploy/stack.sh up target/release

down: ## End what `make up` started
	@deploy/stack.sh down

chaos: ## Kill and stop every part of the distributed shape under load
	$(CARGO) build --workspace --bins
	target/debug/with-servers --only postgres,s3 $(CARGO) test --package bennu-standalone --test process chaos

test: ## Run every check and every test; installs what is missing
	@deploy/prerequisites.sh test
	$(MAKE) lint deny unit clients
	@echo "all tests passed"

check: ## Type-check everything, the quickest feedback
	$(CARGO) check --workspace --all-targets

unit: ## Run the Rust tests, with throw-away servers
	$(CARGO) build --workspace --bins
	target/debug/with-servers $(CARGO) test --workspace

clients: ## Run the suites around the programs: official clients, reference server, deployment files, load scenarios
	$(CARGO) build --workspace --bins
	python3 $(CLIENTS) all

compat: ## Compare the answers of Bennu with those of the reference server
	$(CARGO) build --workspace --bins
	python3 $(CLIENTS) compat

bench: ## Measure Bennu and the reference server side by side (about eight minutes)
	@deploy/prerequisites.sh test
	$(CARGO) build --release --package bennu-standalone --package bennu-loadtests
	python3 $(CLIENTS) reference
	target/release/bench --bennu $(BENNU) --reference $(REFERENCE)

bench-stack: ## Measure the distributed shape beside bare COPY into Postgres (about two minutes)
	@deploy/prerequisites.sh test
	$(CARGO) build --release --workspace --bins
	target/release/bench stack

bench-access: ## Measure what authentication costs, and what people who log in do to acknowledgements (about two minutes)
	$(CARGO) build --release --package bennu-standalone --package bennu-loadtests
	target/release/bench access

bench-neighbour: ## Measure what a tenant in flood does to the acknowledgements of another (about two minutes)
	$(CARGO) build --release --package bennu-standalone --package bennu-loadtests
	target/release/bench neighbour

bench-annotations: ## Measure how fast annotations are taken in (half a minute)
	$(CARGO) build --release --package bennu-standalone --package bennu-loadtests
	target/release/bench annotations

bench-fill: ## Measure how the rate changes until 5 million spans are stored, on both engines (about half an hour)
	@deploy/prerequisites.sh test
	$(CARGO) build --release --workspace --bins
	target/release/bench fill sqlite
	target/release/bench fill postgres

load: ## Run a load scenario of k6: SCENARIO=steady, against URL=http://… or a throw-away Bennu
	$(CARGO) build --release --package bennu-standalone --package bennu-loadtests
	BENNU_BIN=$(BENNU) python3 $(CLIENTS) load -- $(or $(SCENARIO),steady) $(if $(URL),--url $(URL))

lint: ## Check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings

fmt: ## Format the code
	$(CARGO) fmt --all

deny: ## Check licences and sources of the dependencies
	$(CARGO) fetch --locked # those of other systems too
	$(CARGO) deny --offline check licenses bans sources

definitions: ## Write the definitions file of RabbitMQ
	$(CARGO) run --quiet --package bennu-ingest -- definitions > deploy/rabbitmq/definitions.json

openapi: ## Write docs/openapi.json
	$(CARGO) run --quiet --package bennu-standalone -- openapi > docs/openapi.json

settings: ## Write the settings into README.md
	$(CARGO) run --quiet --package bennu-standalone -- settings > target/settings.md
	sed -i -e '/settings:begin/,/settings:end/{/settings:begin/!{/settings:end/!d}}' -e '/settings:begin/r target/settings.md' README.md

prices: ## Take the list prices of models anew (see shared/domain/model_prices/convert.py)
	python3 shared/domain/model_prices/convert.py

prerequisites: ## Install what building and testing need
	@deploy/prerequisites.sh test
