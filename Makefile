# `make demo` and `make test` set up everything they need in .venv.
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := build

SCENE := sample_images/garden.png
MARK := --box 294,48,522,247
QUESTION := what is in the red box?

# If it is set, every process that the tests start compiles the package again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := check
check: lint types test
.PHONY: check demo test test-fast lint audit types docs man train bench lock clean

demo: $(VENV)/installed
	@mkdir -p $(OUT)
	@echo "image:    $(SCENE), marked in $(OUT)/demo.png"
	@echo "question: $(QUESTION)"
	@answer=$$($(BIN)/vipllava ask $(SCENE) "$(QUESTION)" $(MARK) --model tiny \
	  --save-marked $(OUT)/demo.png --force) && echo "answer:   $$answer"
	@echo "more:     . $(VENV)/bin/activate, then vipllava --help"

# With worksteal, a slow test blocks one worker only. More than four workers mostly collect tests.
test: $(VENV)/developing
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist worksteal

# The tests without a model, a terminal or a browser: for frequent runs while you write code.
test-fast: $(VENV)/developing
	$(BIN)/pytest -m "not model and not terminal and not browser and not slow" --numprocesses 2

docs: man
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir $(OUT)/site

# Write the pages that the program defines: the command reference, the list of files, the man page.
man: $(VENV)/developing
	$(BIN)/python -m docs.generate_commands

lint: $(VENV)/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	-@$(MAKE) --no-print-directory audit

# Look for known faults of the packages in constraints.txt. Passes, and says why, where that cannot run:
# without pip-audit (`pip install pip-audit`), and without an answer of its advisory service in time.
AUDIT_SECONDS ?= 60
audit: $(VENV)/developing
	@if ! [ -x $(BIN)/pip-audit ]; then echo "audit: not run, pip-audit is not installed"; exit 0; fi; \
	if found=$$(timeout $(AUDIT_SECONDS) $(BIN)/pip-audit --requirement constraints.txt --no-deps \
	  --disable-pip --timeout 10 --progress-spinner off 2>&1 </dev/null); then \
	  echo "audit: no known faults in constraints.txt"; \
	elif grep -q 'known vulnerabilit' <<<"$$found"; then echo "$$found"; exit 1; \
	else echo "audit: not run, the advisory service did not answer"; fi

types: $(VENV)/developing
	$(BIN)/mypy

# One process per core renders and trains on its share of every batch. With a GPU, set TRAINERS=1.
TRAINERS ?= 2
train: $(VENV)/developing
	$(BIN)/torchrun --standalone --nproc-per-node $(TRAINERS) -m training.train --out $(OUT)/tiny

# Everything but the 7B, in less than 25 minutes on two idle cores. Writes build/benchmarks.
bench: $(VENV)/developing
	$(BIN)/python -m benchmarks run

clean:
	rm -rf $(VENV) $(OUT) .mypy_cache .pytest_cache .ruff_cache

# --- the virtual environment -----------------------------------------------------------------

PIP = $(BIN)/pip --disable-pip-version-check
INSTALL = $(PIP) install --constraint constraints.txt
# Show the current step of pip on one changing line of the terminal, and nothing elsewhere.
SHOW = | { while IFS= read -r line; do \
	  case "$$line" in \
	    Collecting*|Installing*|Building*|*Downloading*) \
	      if [ -t 1 ]; then printf '\r\033[K  %.76s' "$${line\#\#  }"; fi ;; \
	  esac; \
	done; if [ -t 1 ]; then printf '\r\033[K'; fi; }
TORCH := $(shell grep '^torch==' constraints.txt)
# The address of a package index with CPU builds of torch; see https://pytorch.org/get-started.
TORCH_INDEX ?=

# On Linux the plain torch package is a CUDA build of several GB, and pip cannot choose another one.
# Print a note before the download if there is no GPU.
$(VENV)/torch: constraints.txt
	@echo "create $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@if [ -z "$(TORCH_INDEX)" ] && ! command -v nvidia-smi >/dev/null \
	  && $(PIP) --quiet install --dry-run --report - "$(TORCH)" 2>/dev/null | grep -q '"name": "nvidia-'; then \
	  echo "note: no GPU found, and pip will download the CUDA build of torch (several GB);" \
	    "to avoid it, stop and set TORCH_INDEX to an index of CPU builds (pytorch.org/get-started)"; \
	fi
	@echo "install $(TORCH)"
	@set -o pipefail; $(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)" $(SHOW)
	@touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	@echo "install vipllava and the packages that it needs"
	@set -o pipefail; $(INSTALL) --editable . $(SHOW)
	@touch $@

$(VENV)/developing: $(VENV)/installed
	@echo "install the packages for development"
	@set -o pipefail; $(INSTALL) --editable ".[dev]" $(SHOW)
	@touch $@

# Write the exact versions of this environment. Test newer versions first.
lock: $(VENV)/developing
	@{ echo "# Exact versions that make and CI install. Written by 'make lock'."; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt
