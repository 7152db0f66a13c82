# make demo    set up, make a small raw data set, run experiment 0001 on it from raw files to a proven result
# make test    set up, pass the tests, two at a time
# make check   test, plus lint, format and types
# make bench   time the project beside the originals' way of doing it (a quarter of an hour), and renew README.md's table
# PYTHON=python3.12 make demo    with another interpreter (3.11 or newer)

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

DEMO_RAW := data/raw_skeleton/demo

.PHONY: demo test check bench setup
BENCHES := generation loading evaluation latency training
.DELETE_ON_ERROR:

setup: $(INSTALLED)

$(INSTALLED): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11; name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt -c constraints.txt
	@touch $@

demo: $(INSTALLED)
	$(BIN)/python -m tools.make_skeletons $(DEMO_RAW)
	$(BIN)/python main.py -c 0001 -gd --raw $(DEMO_RAW)
	$(BIN)/python main.py -c 0001
	$(BIN)/python main.py -c 0001 -e
	@$(BIN)/python -m tools.summarize 0001
	$(BIN)/python main.py -c 0001 -v

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 2

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2

bench: $(INSTALLED)
	for each in $(BENCHES); do $(BIN)/python -m benchmarks.$$each; done
	$(BIN)/python -m benchmarks.readme
