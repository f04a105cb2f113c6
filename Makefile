# make run    install if needed, then serve the page on 127.0.0.1:7860 (PORT=8000 changes the port)
# make test   install if needed, then run all tests
# make check  lint and the quick tests, below three minutes: for in between
# make torture  how robust the page is, in MINUTES=10: docs/trust.md
# Others: install, lint, bench.

PORT ?= 7860
MINUTES ?= 10
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: install run test check lint bench torture
.DEFAULT_GOAL := run

install: $(INSTALLED)

# The stamp is written last, so an interrupted installation is taken up again.
$(INSTALLED): requirements.txt
	@set -e; \
	for python in python3.11 python3; do \
	    if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        test -x $(PY) || $$python -m venv $(VENV); \
	        break; \
	    fi; \
	done; \
	test -x $(PY) || { echo 'Python 3.11 or newer with its venv module is needed (python3.11 or python3 on the PATH).' >&2; exit 1; }
	$(PIP) install -r requirements.txt
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt $(INSTALLED)
	$(PIP) install -r requirements-dev.txt
	@touch $@

run: $(INSTALLED)
	GRADIO_SERVER_NAME=127.0.0.1 GRADIO_SERVER_PORT=$(PORT) $(PY) app.py

test: $(INSTALLED_DEV)
	$(PY) -m pytest -n 2 --dist worksteal

check: $(INSTALLED_DEV)
	@set -e; start=$$(date +%s); \
	$(MAKE) --no-print-directory lint; \
	$(PY) -m pytest -n 2 -m "not slow and not browser"; \
	echo "checked in $$(($$(date +%s) - start)) s"

lint: $(INSTALLED_DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: $(INSTALLED)
	@set -e; for file in benchmarks/[!_]*.py; do \
	    test -e "$$file" || { echo 'There are no benchmarks yet.'; break; }; \
	    name=$$(basename "$$file" .py); \
	    echo "$(PY) -m benchmarks.$$name"; \
	    $(PY) -m "benchmarks.$$name"; \
	done

torture: $(INSTALLED_DEV)
	$(PY) -m benchmarks.trust --minutes $(MINUTES) --json docs/results/trust.json
