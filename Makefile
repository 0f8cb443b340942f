# `make improved` is the main job: it trains the teacher, then distils it into the student.
# Every target sets up .venv first where that is missing or older than the files that say what belongs in it.
#
#   make improved ARGS='--data-root /data/tiles'    more arguments for the command behind a target
#   make setup PYTHON=/opt/python3.11/bin/python    an interpreter of your own choice (3.10 to 3.12)
#   make setup VENV_FLAGS=--system-site-packages    keeps a torch (or an mmcv with compiled ops) that the machine has already

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup improved baseline bench test test-all coverage drill docs check audit format clean

VENV := .venv
BIN := $(VENV)/bin
# Errors only, and no byte-compiling of what may never be imported (a minute on two cores): WARM_UP compiles what is.
PIP_INSTALL := $(BIN)/python -m pip -qq --disable-pip-version-check install --no-compile
EXTRAS := mim,pretrained,hf,tune,deploy,demo,dev
# One process for each core, each with one thread; a file's tests stay together, for they share what is costly to make.
PYTEST := env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile
# Percent of the package's lines that the tests reach at least.
COVERED := 90

# torch comes first, by itself: on Linux the package index's own build carries CUDA (several GB), so a machine without a GPU asks
# PyTorch's CPU index, and where that cannot be reached, the configured index for the one release that is known to work.
TORCH_CUDA ?= torch>=2.6
TORCH_CPU ?= torch==2.13.0
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

FITS := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))
HAS_TORCH := import torch; assert tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)
HAS_MMCV := import importlib.util, sys; sys.exit(importlib.util.find_spec("mmcv") is None)
REACHES := import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)
WARM_UP := import mapsage_mmseg.commands.train, torch.utils.tensorboard, pytest, hypothesis
SUMMARY := import torch, mmcv, mmseg, mmrazor; print(f"setup: torch {torch.__version__} (CUDA: {torch.cuda.is_available()}), \
	mmseg {mmseg.__version__}, mmcv {mmcv.__version__}, mmrazor {mmrazor.__version__}")

help:  ## what the targets do
	@awk -F ':.*## +' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.stamp  ## .venv with everything in it

improved: $(VENV)/.stamp  ## the improved distillation (ARGS=... goes to tools/train.py)
	$(BIN)/python tools/train.py configs/distill/improved.py $(ARGS)

baseline: $(VENV)/.stamp  ## the earlier recipe, which the improved one is measured against
	$(BIN)/python tools/train.py configs/distill/baseline.py $(ARGS)

bench: $(VENV)/.stamp  ## what a distillation step costs over stock MMSegmentation's and mmrazor's (docs/performance.md)
	$(BIN)/python tools/benchmark.py configs/distill/improved.py $(ARGS)

test: $(VENV)/.stamp  ## the tests but the slow ones (ARGS=... goes to pytest)
	$(PYTEST) -m 'not slow and not gpu' $(ARGS)

test-all: $(VENV)/.stamp  ## all the tests but those that need a GPU
	$(PYTEST) -m 'not gpu' $(ARGS)

coverage: $(VENV)/.stamp  ## `make test`, and how much of the package it reached: 90 % of the lines at least
	$(MAKE) test ARGS='--cov --cov-report='
	$(BIN)/coverage report --fail-under=$(COVERED)

drill: $(VENV)/.stamp  ## kills a training 20 times (SIGKILL), resumes it, and compares it with one that was never disturbed
	env OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.drill $(ARGS)

docs: $(VENV)/.docs  ## the documentation as a site, site/index.html; a broken link fails
	env NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

check: $(VENV)/.stamp  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(VENV)/.stamp  ## looks the installed packages up in PyPI's advisories (optional; needs the network)
	@$(BIN)/python -c 'import pip_audit' 2>/dev/null || $(PIP_INSTALL) -e '.[audit]' || { \
		echo 'audit: pip-audit is not installed, and the index cannot be reached: nothing is known' >&2; \
		exit 2; \
	}
	$(BIN)/python -m tests.audit

format: $(VENV)/.stamp  ## what `make check` asks for, as far as ruff can do it
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

clean:  ## removes builds and caches (not .venv, not experiments/)
	rm -rf build dist site *.egg-info mapsage_mmseg/.mim htmlcov .coverage .coverage.*
	rm -rf .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find mapsage_mmseg configs tools tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A dangling .venv/bin/python (the interpreter was removed) counts as missing, and --clear starts afresh.
$(BIN)/python:
	@for python in $(or $(PYTHON),python3.12 python3.11 python3.10 python3); do \
		if "$$python" -c '$(FITS)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'setup: no Python 3.10, 3.11 or 3.12 runs here. Install one, or name it: make setup PYTHON=/path/to/python3.11' >&2; \
		exit 2; \
	fi; \
	echo "setup: $(VENV) with $$("$$found" -V)"; \
	"$$found" -m venv --clear $(VENV_FLAGS) $(VENV) || { rm -rf $(VENV); exit 2; }

$(VENV)/.stamp: setup.py pyproject.toml Makefile | $(BIN)/python
	@$(PIP_INSTALL) --upgrade pip || true  # the one that a new environment brings takes twice as long to resolve
	@if ! $(BIN)/python -c '$(HAS_TORCH)' 2>/dev/null; then \
		if nvidia-smi >/dev/null 2>&1; then \
			echo 'setup: torch for CUDA (several GB, some minutes)'; \
			$(PIP_INSTALL) '$(TORCH_CUDA)'; \
		elif $(BIN)/python -c '$(REACHES)' '$(TORCH_CPU_INDEX)/torch/' 2>/dev/null; then \
			echo 'setup: torch for CPU'; \
			$(PIP_INSTALL) --index-url '$(TORCH_CPU_INDEX)' '$(TORCH_CPU)'; \
		else \
			echo 'setup: torch from the configured index, as PyTorch'\''s CPU index cannot be reached'; \
			$(PIP_INSTALL) '$(TORCH_CPU)'; \
		fi; \
	fi
	@echo 'setup: the package (editable) and its requirements (one or two minutes)'
	@extras='$(EXTRAS)'; \
	$(BIN)/python -c '$(HAS_MMCV)' || extras="$$extras,lite"; \
	$(PIP_INSTALL) -e ".[$$extras]"
	@# opencv-python needs libGL, which servers lack; the headless build is the same cv2 without it, in the same folder.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
		echo 'setup: cv2 does not import (no libGL?): opencv-python-headless over it'; \
		$(PIP_INSTALL) --force-reinstall --no-deps opencv-python-headless; \
	}
	@# Containers often set PYTHONDONTWRITEBYTECODE: then every start would compile 1,500 files anew (18 s instead of 6).
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -W ignore -c '$(WARM_UP)' >/dev/null 2>&1 || true
	@$(BIN)/python -W ignore -c '$(SUMMARY)'
	@touch $@

# Not among EXTRAS: nobody else needs it.
$(VENV)/.docs: $(VENV)/.stamp
	@echo 'docs: MkDocs and its plugins'
	@$(PIP_INSTALL) -e '.[docs]'
	@touch $@
