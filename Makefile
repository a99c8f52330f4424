# Two commands: `make demo` and `make test`. `make help` lists the rest.
# Everything is fetched into the project's .venv or the user's cache; nothing needs root or apt.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ONCE ?=
ARGS ?=
PYTHON := .venv/bin/python
UV_VERSION := $(shell sed -n "s/^version=//p" devstack/ensure-uv)
# Targets that call uv or a tool of the environment by name find the right one first.
export PATH := $(CURDIR)/.venv/bin:$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ondol/uv-$(UV_VERSION)/bin:$(PATH)
unexport DJANGO_SETTINGS_MODULE

include Makefile.lint

.PHONY: help setup demo up test test-fast test-long kube assets messages fmt bench migrate doctor clean

help: ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sort

setup: ## Get uv when missing and install the locked environment into .venv
	@"$$(devstack/ensure-uv)" sync --frozen --quiet

assets: setup ## Build the portal's static files and compile translations, when they changed
	@$(PYTHON) -m devstack assets

messages: assets ## Compile translations (.po to .mo), without gettext's programs

kube: setup ## Build Kubernetes' programs once, about 12 minutes on two cores
	@$(PYTHON) -m devstack kube-build >/dev/null

demo: assets ## Play the main job on real components, then serve it (ONCE=1 exits, PORT=, CONSOLE_PORT=)
	@exec $(PYTHON) -m devstack demo $(if $(ONCE),--once)

up: assets ## Serve an empty Ondol on two simulated clusters (PORT=, CONSOLE_PORT=)
	@exec $(PYTHON) -m devstack up

test: assets kube ## Run every test but the long ones (ARGS="-k word" narrows)
	@exec $(PYTHON) -m pytest -m "not long" $(ARGS)

test-fast: assets ## Run unit and integration tests
	@exec $(PYTHON) -m pytest -n 2 -m "(unit or integration) and not long" $(ARGS)

test-long: assets kube ## Run only the tests that take more than a minute each
	@exec $(PYTHON) -m pytest -m long $(ARGS)

fmt: setup format ## Same as format

bench: assets kube ## Measure against baselines; prints a table and writes bench/results
	@exec $(PYTHON) -m bench $(ARGS)

migrate: setup ## Apply migrations to the database of ONDOL_DATABASE_URL
	@exec $(PYTHON) manage.py migrate

doctor: setup ## Say which parts of the local machine are found and which are missing
	@exec $(PYTHON) -m devstack doctor

clean: ## Remove what was built inside the repository; the user's cache stays
	@rm -rf .venv node_modules var static-root .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@git ls-files --others --ignored --exclude-standard -z -- '*.mo' | xargs -0 --no-run-if-empty rm -f
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

lint: setup
