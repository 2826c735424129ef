# Everything a newcomer, CI and release need. On a fresh machine: Python 3.11 or newer, Node 20, make; nothing else.

UV_VERSION := 0.13.9
PYTHON ?= python3
UV := .tools/bin/uv
NODE_TESTS := barback/tests/node cafes/tests/node
NODE_READY := $(NODE_TESTS:%=%/node_modules/.package-lock.json)
EXAMPLE := examples/nextjs
NODE_LOCKED := $(NODE_TESTS) $(EXAMPLE) bench/peers/node

# The machine's own Python: uv shall not download one.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(shell $(PYTHON) -c 'import sys; print(sys.executable)')

# Tests start some 300 processes: compiled once, each has to read what else it would compile anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-full check audit format drills bench bench-quick bench-grow client example picture screenshots clean

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: setup ## Work the sample: embedded Valkey and Postgres, worker, schedules, reload; Ctrl-C ends it
	@.venv/bin/barback dev # not through uv, which would pass each Ctrl-C on a second time

demo: setup ## Import the sample into a temporary folder, work it, print the result
	@$(UV) run --no-sync cafes demo

test: setup $(NODE_READY) ## The tests, under 8 minutes on 2 cores
	$(UV) run --no-sync pytest -m "not slow and not alone" -n 3 --dist worksteal barback/tests cafes/tests bench/tests drills # three: they often wait
	$(UV) run --no-sync pytest -m "not slow and alone" drills

test-full: test ## All tests: long drills and big imports too
	$(UV) run --no-sync pytest -m slow

check: setup ## Linters, types, the direction of imports, the files for containers
	$(UV) run --no-sync ruff format --check .
	$(UV) run --no-sync ruff check .
	$(UV) run --no-sync pyright
	$(UV) run --no-sync lint-imports
	$(UV) run --no-sync hadolint Dockerfile
	$(UV) run --no-sync check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

# `--strict`: what could not be audited fails, where pip-audit alone would print it and pass.
audit: setup ## Known vulnerabilities of all that the lock files pin; asks PyPI and npm, and fails if they do not answer
	@mkdir -p .tools && $(UV) export --quiet --locked --all-extras --all-groups --no-emit-workspace --format requirements-txt --output-file .tools/audited.txt
	@$(UV) run --quiet --isolated --locked --only-group audit pip-audit --strict --disable-pip --require-hashes -r .tools/audited.txt \
		|| { echo "make audit: FAILED: of the Python packages one is vulnerable, or could not be audited; the line above says which." >&2; exit 1; }
	@for folder in $(NODE_LOCKED); do npm audit --prefix $$folder --package-lock-only \
		|| { echo "make audit: FAILED: of the npm packages of $$folder one is vulnerable, or they could not be audited." >&2; exit 1; }; done

format: setup ## Put the code in form
	$(UV) run --no-sync ruff format .
	$(UV) run --no-sync ruff check --fix .

drills: setup $(NODE_READY) ## Kill, stop and cut off workers and servers; writes docs/drills.md
	@$(UV) run --no-sync python -m drills

bench: setup ## barback beside all its peers, 15 minutes; writes docs/benchmarks.md
	@$(UV) run --no-sync python -m bench

bench-quick: setup ## barback beside Node's and the stock Python worker: ratios in two minutes
	@$(UV) run --no-sync python -m bench quick

bench-grow: setup ## What more jobs, more at a time, larger payloads cost; writes docs/growth.md
	@$(UV) run --no-sync python -m bench grow

setup: .venv/.ready

.venv/.ready: uv.lock pyproject.toml barback/pyproject.toml cafes/pyproject.toml $(UV)
	$(UV) sync --locked --quiet
	@touch $@

$(UV):
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(NODE_READY): %/node_modules/.package-lock.json: %/package.json %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund --loglevel=error
	@touch $@

client: setup $(NODE_READY) ## Compile what every TypeScript client shares, and write that of cafes anew
	node barback/tests/node/node_modules/typescript/bin/tsc -p barback/src/barback/contract/runtime
	@$(UV) run --no-sync barback typescript

example: ## Install and build examples/nextjs, and say how to run it; DASHBOARD_URL: where its rewrite leads
	npm ci --prefix $(EXAMPLE) --no-audit --no-fund --loglevel=error
	npm run build --prefix $(EXAMPLE)
	@echo "Beside make run: npm start --prefix $(EXAMPLE), with REDIS_URL as make run prints it"

picture: setup ## Draw docs/demo.svg anew
	@$(UV) run --no-sync python docs/make_demo_svg.py

screenshots: setup ## Photograph the dashboard anew, into docs/screenshots; needs chromium
	@$(UV) run --no-sync python docs/make_screenshots.py

clean: ## Remove what was made, the development data too
	rm -rf .venv .tools .barback bench/.envs bench/.results $(NODE_TESTS:%=%/node_modules) $(EXAMPLE)/node_modules $(EXAMPLE)/.next .pytest_cache .ruff_cache .hypothesis
