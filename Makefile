# The front door for set-up. `make demo` and `make test` do all of it themselves; everything else is an invoke task (`.venv/bin/invoke --list`).

# The Python to set up with: your `python3` if it is 3.11 or later, else the first other one that is. Override: make demo PYTHON=/path/to/python3
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

BIN := .venv/bin
# So many files of tests run at a time: one more than two cores, because a third of the time a test waits for a machine or a package index.
# Each worker has local clouds of its own (1 to 2 GB of memory). Override: make test JOBS=1
JOBS ?= 3
# Rooms that `make test` is about; empty: all. Override: make test ROOMS="unit local"
ROOMS ?=
RUN = $(BIN)/python -m tests.run --jobs $(JOBS)

.PHONY: demo check test setup python lint types clean lock

demo: python  ## The whole service on this machine: deploy, bake, submit, results. What it needs is looked at before set-up's long steps.
	@"$(PYTHON)" bootstrap.py demo
	@$(BIN)/invoke demo

check: setup  ## In two minutes: lint, types, and the tests that need no local cloud; fewer examples for each property than `make test`.
	@$(RUN) --static shell program unit

test: setup  ## Lint, types, and all tests; all of them run even if one fails, and the runner's summary comes last.
	@$(RUN) --static --thorough $(ROOMS)

test-%: setup  ## The tests of one room: test-unit, test-program, test-opinions, test-shell, test-local, test-localcloud.
	@$(RUN) $*

setup: python  ## Everything that the other targets need; takes no time when it was done before.
	@"$(PYTHON)" bootstrap.py setup

python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "got no Python 3.11 or later on PATH (python3 is: $$(python3 --version 2>&1 || echo missing))" >&2; \
		echo "allowed is Python 3.11 or later" >&2; \
		echo "install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: make setup PYTHON=/path/to/python3" >&2; \
		exit 2; \
	fi

lint: setup
	@failed=0; $(BIN)/ruff check . || failed=1; $(BIN)/ruff format --check . || failed=1; exit $$failed

types: setup
	@$(BIN)/mypy

clean:  ## Remove what set-up made in this checkout (the user's cache stays).
	@"$(PYTHON)" bootstrap.py clean

lock: setup  ## Compile requirements/*.in to locks with hashes.
	@cd requirements && for name in base dev emulator go installer policypack portal; do \
		CUSTOM_COMPILE_COMMAND="make lock" ../$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
			--strip-extras --allow-unsafe --no-annotate $$name.in -o $$name.txt || exit 1; done
