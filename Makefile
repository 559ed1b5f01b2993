# make quickstart   install, train two networks on digits; a barrier, sharpness, an audit, a report
# make test         install, run the tests; WHICH="not long": and the slow ones, which .ci/run does
# make docs         the pages of docs/ as a site, build/site/index.html
# make check        lint, format, types, pages, all tests; .ci/run leaves the longest out
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Halves of the list in order, so that fixtures are shared; who is done early takes from the other.
SPREAD := -n auto --dist worksteal
# The system's certificates: pip, which installs uv, trusts them too. Bytecode now, as pip does: else
# the first import of torch and Lightning takes ten seconds more, and every one where Python may not
# write.
INSTALL := $(BIN)/uv pip install --quiet --system-certs --compile-bytecode --python $(BIN)/python --editable

.PHONY: quickstart test test-slow lint types docs check summary clean
.DEFAULT_GOAL := quickstart

quickstart: $(VENV)/.installed
	$(BIN)/python train.py --multirun experiment=quickstart symmetry=vanilla,rot90
	@$(BIN)/python interpolate.py study=quickstart align=activations points=11
	@$(BIN)/python sharpness.py study=quickstart images=256 k=1 quantities=eigenvalues
	@$(BIN)/python audit.py study=quickstart images=200 shifts=1
	@$(BIN)/python summary.py study=quickstart
	@$(BIN)/python report.py study=quickstart

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(if $(WHICH),-m "$(WHICH)") $(SPREAD) --durations=12

test-slow:
	@$(MAKE) --no-print-directory test WHICH=slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo build/site/index.html

check: lint types docs test test-slow

summary: $(VENV)/.installed
	@$(BIN)/python summary.py study=$(STUDY)

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
	sys.exit(None if ok else "python %d.%d: symscape needs 3.11 to 3.13; make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "installing into $(VENV): a minute or two, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: pyproject.toml | $(BIN)/uv
	$(INSTALL) .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/uv
	$(INSTALL) '.[dev]'
	@touch $@ $(VENV)/.installed
