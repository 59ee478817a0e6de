# make setup | demo | claims | docs | test | test-slow | test-wheel | test-lowest | soak | lint | browser | addons | torch | bench-torch | bench-gpu; each does all set-up that it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq
DEMO := demo

.PHONY: setup demo claims docs test test-slow test-wheel test-lowest soak lint browser addons torch bench-torch bench-gpu clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || \
	  { echo "tfuda needs Python 3.11 or later, $(PYTHON) is older: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing packages into $(VENV)"
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/python run/benchmark.py --config=configs/emoji.py --methods=source_only,dannp --tasks=T-G --seeds=3 \
	  --config.views=0 --config.source_classes=15 --config.target_classes=15 --workdir=$(DEMO)/runs
	@$(BIN)/python run/plot.py --what=changed --out=$(DEMO)/changed.png \
	  --workdir=$(DEMO)/runs/source_only/T-G/seed0,$(DEMO)/runs/dannp/T-G/seed0
	@$(BIN)/python run/plot.py --what=tsne --out=$(DEMO)/tsne.png \
	  --workdir=$(DEMO)/runs/dannp/T-G/seed0 --before=$(DEMO)/runs/source_only/T-G/seed0
	@$(BIN)/python run/export.py --workdir=$(DEMO)/runs/dannp/T-G/seed0 --out=saved_models/demo
	@$(BIN)/python run/images.py --config=configs/emoji.py --domain=G --split=test --count=50 --out=$(DEMO)/images
	@$(BIN)/python run/predict.py --model=saved_models/demo --out=$(DEMO)/predictions.csv $(DEMO)/images
	@echo "everything is in $(DEMO)/: runs/ (with the table), changed.png, tsne.png, images/, predictions.csv; the model is saved_models/demo"

claims: $(READY)
	@$(BIN)/python run/claims.py --known=docs/results/emoji --out=docs/claims.md

test: $(READY)
	@$(BIN)/python -m pytest

# All slow tests, or one part of them: make test-slow SHARD=1/6
SHARD ?= 1/1

test-slow: $(READY)
	@$(BIN)/python -m pytest -m slow --shard=$(SHARD)

test-wheel: $(READY)
	@$(BIN)/python -m pytest -m wheel -n 0 tests/cli/test_wheel.py

# Golden numbers, every method, and the commands, with the lowest versions that pyproject.toml allows.
LOWEST_PYTHON ?= python3.11
LOWEST_ENV := .venv-lowest

test-lowest: $(LOWEST_ENV)/.built
	@$(LOWEST_ENV)/bin/python -m pytest -m 'golden and not slow' --ignore=tests/networks/test_hub.py \
	  tests/combiners tests/core tests/methods tests/networks tests/regularisers tests/translation tests/weighers
	@$(LOWEST_ENV)/bin/python -m pytest tests/core/test_every_method.py tests/cli/test_commands.py tests/data/test_digits.py

$(LOWEST_ENV)/.built: tests/lowest/requirements.txt pyproject.toml
	@echo "building $(LOWEST_ENV) (TensorFlow 2.18, Keras 3.10)"
	@rm -rf $(LOWEST_ENV)
	@$(LOWEST_PYTHON) -m venv $(LOWEST_ENV)
	@$(LOWEST_ENV)/bin/python -m pip install -qq --disable-pip-version-check -r $< -e '.[tune]' \
	  'pytest>=8' 'pytest-xdist>=3.8' 'hypothesis>=6'
	@touch $@

soak: $(READY)
	@$(BIN)/python -m pytest -m soak -n 0 -rP tests/experiment/test_soak.py

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# The generated pages of docs/, and the site, which any warning of a broken link stops.
docs: $(VENV)/.docs
	@$(BIN)/python docs/generate/settings.py
	@$(BIN)/python docs/generate/architecture.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "the site is site/index.html"

$(VENV)/.docs: $(READY)
	@$(PIP) -c constraints.txt -e '.[dev,docs]'
	@touch $@

# The pages of run/report.py in Debian's Chromium; selenium goes into the same environment.
CHROMIUM := /usr/bin/chromium /usr/bin/chromedriver

browser: $(VENV)/.browser
	@for file in $(CHROMIUM); do test -x $$file || { \
	  echo "make browser needs $$file: apt-get install chromium chromium-driver" >&2; exit 1; }; done
	@$(BIN)/python -m pytest -m browser -n 0 tests/browser

$(VENV)/.browser: $(READY)
	@$(PIP) -c constraints.txt -e '.[dev,browser]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-addons .venv-torch .venv-lowest $(DEMO) saved_models/demo

# What tensorflow-addons itself computes, in the last environment that can import it. Needs a Python that
# TensorFlow 2.15 was built for (3.9 to 3.11); only looked at when the old environment has to be built.
OLD_PYTHON ?= python3
ADDONS_ENV := .venv-addons

addons: $(ADDONS_ENV)/.built
	@mkdir -p tests/golden
	@$(ADDONS_ENV)/bin/python tests/addons/compute.py tests/golden/addons.npz

$(ADDONS_ENV)/.built: tests/addons/requirements.txt
	@$(OLD_PYTHON) -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' 2>/dev/null || { \
	  echo "make addons needs Python 3.11 or older (3.9 at least), and $(OLD_PYTHON) is" \
	    "$$($(OLD_PYTHON) --version 2>/dev/null || echo 'not there'):" \
	    "pass one with 'make addons OLD_PYTHON=python3.11'." >&2; exit 1; }
	@echo "building $(ADDONS_ENV) (TensorFlow 2.15, tensorflow-addons 0.23) ..."
	@rm -rf $(ADDONS_ENV)
	@$(OLD_PYTHON) -m venv $(ADDONS_ENV)
	@$(ADDONS_ENV)/bin/python -m pip install -qq --disable-pip-version-check -r tests/addons/requirements.txt
	@touch $@

# Our ResNets against torchvision's own, in an environment with PyTorch (some 5 GB on Linux).
TORCH_ENV := .venv-torch

torch: $(READY) $(TORCH_ENV)/.built
	@$(TORCH_ENV)/bin/python tests/pytorch/compute.py $(TORCH_ENV)/out
	@$(BIN)/python -m pytest -m torch -n 0 -rP tests/networks/test_torch.py

# Steps on a GPU with and without XLA, mixed precision and the fused batch norm; under 8 minutes.
bench-gpu: $(READY)
	@$(BIN)/python run/bench.py --what=gpu --methods=dann --network=resnet50 --size=224 --batch=32 --rounds=10

# A training step beside PyTorch's, in turns.
bench-torch: $(READY) $(TORCH_ENV)/.built
	@$(BIN)/python run/bench.py --what=beside --methods=dann --rounds=5 \
	  --beside='$(TORCH_ENV)/bin/python tests/pytorch/step.py'

$(TORCH_ENV)/.built: tests/pytorch/requirements.txt
	@echo "building $(TORCH_ENV) (PyTorch, torchvision) ..."
	@rm -rf $(TORCH_ENV)
	@$(PYTHON) -m venv $(TORCH_ENV)
	@$(TORCH_ENV)/bin/python -m pip install -qq --disable-pip-version-check -r tests/pytorch/requirements.txt
	@touch $@
