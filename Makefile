# `make` alone prints what there is. Works with GNU make 3.81 and later, on Linux and macOS.

PYTHON ?= python3
# More than one chapter at a time: as many as there are cores, unless JOBS says otherwise.
JOBS ?=
# https://download.pytorch.org/whl/cpu spares Linux machines without a GPU 2 GB of CUDA libraries.
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
JOBS_OPTION := $(if $(JOBS),--jobs $(JOBS))

# Two processes with two threads each on two cores are ten times slower than with one.
export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
ifneq ($(TORCH_INDEX),)
export PIP_EXTRA_INDEX_URL := $(strip $(TORCH_INDEX) $(PIP_EXTRA_INDEX_URL))
endif

.PHONY: help book slides pdf test test-colab serve notebooks bench home clean

help: ## this table
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PYTHON=python3.12 JOBS=4 TORCH_INDEX=https://download.pytorch.org/whl/cpu"

book: $(VENV)/installed ## execute what changed and build the site in _build/html
	@$(RUN) tools/build.py $(JOBS_OPTION)

slides: book ## make a deck of each chapter, for the site: _build/html/slides
	@$(RUN) tools/slides.py

pdf: book ## print the whole book (needs Chromium): _build/from-counting-to-attention.pdf
	@$(RUN) tools/pdf.py

test: $(VENV)/installed ## every check: style, pairs, tests, all chapters compared, the site
	@$(RUN) tools/check.py $(JOBS_OPTION)

test-colab: $(VENV)/installed ## the package and the chapters under Colab's versions
	@$(RUN) tools/colab.py

serve: $(VENV)/installed ## serve the site and rebuild it when a source changes
	@$(RUN) tools/serve.py $(JOBS_OPTION)

notebooks: $(VENV)/installed ## write the .ipynb twins and the outputs they store
	@$(RUN) tools/notebooks.py $(JOBS_OPTION)

bench: $(VENV)/installed ## measure builds, pages, the engine and the kernels
	@$(RUN) tools/bench.py $(JOBS_OPTION)

home: $(VENV)/installed ## make the book live at URL=https://github.com/owner/name (empty: nowhere), HUB=https://…
	@$(RUN) tools/home.py $(if $(filter-out undefined,$(origin URL)),"$(URL)") $(if $(HUB),--hub "$(HUB)")

clean: ## remove everything built (not the environment)
	rm -rf _build

# Installed anew only when what is to be installed changes.
$(VENV)/installed: pyproject.toml constraints.txt
	@test -x $(RUN) || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "error: this needs Python 3.11 or newer, and '$(PYTHON)' is none;" \
	      "try: make PYTHON=python3.12 ..." >&2; exit 1; }; \
	  echo "Making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the packages of constraints.txt into $(VENV) ..."
	@$(RUN) -m pip install --constraint constraints.txt --editable '.[book,test]'
	@touch $@
