# `make help` lists what there is. Windows, or no make: see "Without make" in README.md.

SHELL := bash
PY    ?= python3
VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
CORE  := build/core
OUT   ?= $(if $(DATA),runs/ladder,runs/demo)

# uv reads none of pip's settings; a folder of wheels that pip was told of (a CPU build of torch, say) is handed on.
space := $(subst ,, )
comma := ,
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(subst $(space),$(comma),$(strip $(PIP_FIND_LINKS)))
endif

.PHONY: help demo test lint core-check timm-check bench soak clean
.DELETE_ON_ERROR:

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '%-16s %s\n' "$$name" "$$what"; done
	@echo 'PY=python3.12 chooses the Python that .venv is made with (3.11 or newer).'

demo: $(READY)  ## train the four rungs on drawn faces, then compare them; DATA=fer2013.csv for the real ones
	$(BIN)/mien ladder $(if $(DATA),--data '$(DATA)',--preset demo) --out '$(OUT)'

test: $(READY)  ## every test that is quick enough for every change
	$(BIN)/pytest

lint: $(READY)  ## style, types, and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

core-check: $(READY) $(CORE)/.ready  ## the core in a venv that really has no torch: evaluate an ONNX file there
	rm -rf $(CORE)/run
	! $(CORE)/bin/python -c 'import torch' 2>/dev/null
	$(BIN)/mien train logistic --preset demo --epochs 1 --out $(CORE)/run
	$(CORE)/bin/mien evaluate $(CORE)/run/model.onnx --split val --json
	$(BIN)/python tests/core_photo.py $(CORE)/photo.jpg && $(CORE)/bin/mien predict $(CORE)/photo.jpg --json
	test "$$(du -sm $(CORE)/lib | cut -f1)" -le 400

timm-check: $(READY)  ## timm backbones, in a venv with a torch and a torchvision that fit together (5 GB)
	$(PY) -m venv build/timm
	env -u UV_FIND_LINKS -u PIP_FIND_LINKS $(BIN)/uv pip install --quiet --python build/timm/bin/python \
	    -c constraints.txt -e '.[timm,figures]' torchvision pytest hypothesis
	build/timm/bin/python -m pytest tests/models/test_backbone.py

bench: $(READY)  ## every benchmark, its log into benchmarks/results
	@for script in benchmarks/*.py; do \
	    echo "== $$script"; \
	    $(BIN)/python "$$script" 2>&1 | tee "benchmarks/results/$$(basename "$$script" .py).txt"; \
	    test "$${PIPESTATUS[0]}" = 0 || exit 1; \
	done

soak: $(READY)  ## the tests that take longer; their log into benchmarks/results/soak.txt
	set -o pipefail; $(BIN)/pytest -m soak 2>&1 | tee benchmarks/results/soak.txt

clean:  ## remove the venv, caches and build products; runs/ stays, it may hold hours of training
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv made by Python and filled by uv, once, and again when one of the two files changes.
$(READY): pyproject.toml constraints.txt
	$(call fill,$(VENV),.[dev])

$(CORE)/.ready: pyproject.toml constraints.txt
	$(call fill,$(CORE),.)

define fill
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mien needs Python 3.11 or newer: make PY=python3.12")'
	$(PY) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(1)/bin/uv pip install --quiet --python $(1)/bin/python -c constraints.txt -e '$(2)'
	@touch $(1)/.ready
endef
