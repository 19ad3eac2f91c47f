# make demo   the main job on a bundled trained model and a bundled recording
# make test   everything a change must pass: lint, format, types, tests
# make lint   the same without the tests
# make wheel  sdist and wheel in dist/
# make clean  remove what was built; .venv stays

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

# A stamp is written after its installation succeeded, and is stale when pyproject.toml is newer.
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed

.PHONY: demo test lint wheel clean

demo: $(CORE)
	$(BIN)/spikeloom demo -o build/demo

test: lint
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(DEV)
	$(BIN)/python -m build --outdir dist

clean:
	rm -rf build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find mapper passes targets tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is the last thing `venv` writes, so a half-made environment is made again.
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEV): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --editable '.[train,nir,dev]'
	touch $(CORE) $@
