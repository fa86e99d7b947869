# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := build

SCENE := sample_images/garden.png
MARK := --box 294,48,522,247
QUESTION := what is in the red box?

# Where it is set, each of the many processes that tests start would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := check
check: lint types test
.PHONY: check demo test test-fast lint types train bench clean

demo: $(VENV)/installed
	@mkdir -p $(OUT)
	@$(BIN)/vipllava annotate $(SCENE) $(MARK) -o $(OUT)/demo.png --force -q
	@echo "picture:  $(SCENE), marked in $(OUT)/demo.png"
	@echo "question: $(QUESTION)"
	@answer=$$($(BIN)/vipllava ask $(SCENE) "$(QUESTION)" $(MARK) --model tiny) && echo "answer:   $$answer"
	@echo "more:     . $(VENV)/bin/activate, then vipllava --help"

# A test that is waited for holds up one worker only; more than four would mostly collect tests.
test: $(VENV)/developing
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist worksteal

# Everything that needs no model, terminal or browser: the loop while you write code.
test-fast: $(VENV)/developing
	$(BIN)/pytest -m "not model and not terminal and not browser and not slow" --numprocesses 2

lint: $(VENV)/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/developing
	$(BIN)/mypy

# A process for each core: it renders and learns on its own share of every batch. With a GPU: TRAINERS=1.
TRAINERS ?= 2
train: $(VENV)/developing
	$(BIN)/torchrun --standalone --nproc-per-node $(TRAINERS) -m training.train --out $(OUT)/tiny

bench: $(VENV)/developing
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.questions
	$(BIN)/python -m benchmarks.chat
	$(BIN)/python -m benchmarks.choices
	$(BIN)/python -m benchmarks.batch
	$(BIN)/python -m benchmarks.batch_memory
	$(BIN)/python -m benchmarks.batch_kills

clean:
	rm -rf $(VENV) $(OUT) .mypy_cache .pytest_cache .ruff_cache

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/developing: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
