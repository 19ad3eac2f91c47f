# make demo   the main job on a bundled trained model and a bundled recording
# make test   everything a change must pass: lint, format, types, tests
# make test-all    the same with every case of the long campaigns, of which make test runs some
# make lint   the same without the tests
# make docs   the documentation as pages in build/docs, readable without a network; warnings are errors
# make native    compile the kernels beside their sources, as an editable install does
# make recipes   the programs of docs/exporting.md, each in an environment of its own (gigabytes of libraries)
# make sanitize  the tests of the native kernels, built with address and undefined-behaviour checks
# make arm    the wheel for 64-bit Arm and the tests of its kernels, emulated: TESTS=... runs some of them
# make wheel  sdist and wheel in dist/
# make clean  remove what was built; .venv stays

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

# What the native kernels are compiled from; an editable install builds them in place.
KERNELS := $(wildcard mapper/kernels/csrc/*)

# A stamp is written after its installation succeeded, and is stale when pyproject.toml is newer.
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed
DOCS := $(VENV)/.docs-installed

.PHONY: demo test test-all lint docs native recipes sanitize arm wheel clean

demo: $(CORE)
	$(BIN)/spikeloom demo -o build/demo

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-all: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --all-cases

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS)
	rm -rf build/docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

native: $(DEV)
	$(BIN)/python setup.py --quiet build_ext --inplace --build-temp build/native

# LIBRARIES="norse spyx" runs some of them.
recipes: $(DEV)
	$(BIN)/python -m tests.exporting.recipes $(LIBRARIES)

# A copy of the tree, as the checked kernels must not end up beside the sources.
SANITIZED := build/sanitize
CHECKS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O1

sanitize: $(DEV)
	rm -rf $(SANITIZED)
	mkdir -p $(SANITIZED)
	cp -r mapper passes targets tests pyproject.toml setup.py README.md LICENSE $(SANITIZED)
	find $(SANITIZED) -name '*.so' -delete
	cd $(SANITIZED) && SPIKELOOM_CFLAGS="$(CHECKS)" $(abspath $(BIN))/python setup.py --quiet \
	    build_ext --inplace --build-temp build
	cd $(SANITIZED) && ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=. \
	    LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	    $(abspath $(BIN))/python -m pytest -q -p no:cacheprovider tests/executor/native tests/training/test_native.py

# Says which of Debian's packages it lacks.
arm: $(DEV)
	$(BIN)/python -m tests.arm.emulate --workers $(WORKERS) $(TESTS)

wheel: $(DEV)
	$(BIN)/python -m build --outdir dist

clean:
	rm -rf build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find mapper passes targets tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is the last thing `venv` writes, so a half-made environment is made again.
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml setup.py $(KERNELS) | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEV): pyproject.toml setup.py $(KERNELS) | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --editable '.[train,nir,dev]'
	touch $(CORE) $@

$(DOCS): pyproject.toml setup.py $(KERNELS) | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --editable '.[train,nir,docs]'
	touch $(CORE) $@
