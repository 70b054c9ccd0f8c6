# Every target installs what it needs into .venv; a stamp file there makes the next run quick.

PYTHON ?= python3
HUB ?= local
BEFORE ?= main
ARGS ?=
# Waits fill the tests, not work: more workers than processors. Each takes about 700 MB with what it starts.
WORKERS ?= $$((2 + 2 * $$(getconf _NPROCESSORS_ONLN)))
QUICK_WORKERS ?= 6
# Where the tests of the client itself are; the rest would only be collected.
QUICK ?= $(addprefix tests/,api clients http instances packages streams uploads) \
    $(foreach name,architecture config errors live_objects names parity,tests/test_$(name).py)
# Four for each processor.
MANY_WORKERS ?= $$((4 * $$(getconf _NPROCESSORS_ONLN)))
# By file: a hub that the tests of a file share is started once, and not by each worker.
DIST ?= loadfile
SIGNALS ?= SIGINT SIGCHLD SIGPIPE SIGHUP
SECONDS ?= 60
MINUTES ?= 10

VENV := .venv
# On Windows, with the shell of Git, programs lie elsewhere.
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet --quiet
METADATA := setup.cfg setup.py pyproject.toml scramjet_client/__init__.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick test-slow test-long mutants lint fuzz soak bench bench-compare compare docs matrix clean dist sbom audit

# Tests start hundreds of interpreters; without kept bytecode each of them compiles the package again.
export PYTHONDONTWRITEBYTECODE :=

help: ## Say what the targets do
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: $(VENV)/.stamp-hub ## Count the words of this repository on a hub (HUB=real for the one from npm, HUB=URL for one that runs)
	@$(RUN) -m examples.demo --hub '$(HUB)' $(ARGS)

test: $(VENV)/.stamp-test ## Run the tests, several at once, against the real hub too (ARGS="-k name" for some of them)
	$(RUN) -m pytest -n $(WORKERS) --dist $(DIST) --no-loadscope-reorder $(ARGS)

test-quick: $(VENV)/.stamp-test ## Run the tests that start no process, for the inner loop (ARGS=tests/streams for some of them)
	$(RUN) -m pytest -n $(QUICK_WORKERS) --dist worksteal -m quick -o faulthandler_timeout=0 $(if $(filter tests/%,$(ARGS)),,$(QUICK)) $(ARGS)

# A signal that the shell ignores, as after nohup or in a script, is ignored by what it starts.
test-slow: $(VENV)/.stamp-test ## Run the tests four times on busy processors, with many workers, and signals ignored in turn
	set -e; for signal in $(SIGNALS); do \
	    $(RUN) -m tests.support.busy --ignore $$signal \
	        $(RUN) -m pytest -n $(MANY_WORKERS) --dist $(DIST) --no-loadscope-reorder -o timeout=900 -o faulthandler_timeout=0 $(ARGS); done

test-long: $(VENV)/.stamp-long ## Run the tests that take minutes of real time
	$(RUN) -m pytest -m long -o timeout=900 -o faulthandler_timeout=0 $(ARGS)

mutants: $(VENV)/.stamp-mutants ## Change what sends and reads, one thing at a time, and see what the tests notice (MINUTES=10, ARGS="scramjet_client.http.chunked*")
	$(RUN) -m tests.support.mutants --minutes $(MINUTES) $(ARGS)

lint: $(VENV)/.stamp-lint ## Check style and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy --strict
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.dependabot .github/dependabot.yml

dist: $(VENV)/.stamp-test ## Build what a release uploads, into dist/
	rm -rf dist
	$(RUN) -m build
	$(RUN) -m twine check --strict dist/*

# A virtual environment with the wheel alone is what a user gets. The tool brings chardet, which requests would use.
sbom: dist ## List what the wheel installs, as CycloneDX, into build/sbom/
	$(RUN) -m venv --clear --without-pip build/sbom-venv
	$(RUN) -m venv --clear --without-pip build/sbom-tool
	$(PIP) --python build/sbom-tool install 'cyclonedx-bom>=5'
	$(PIP) --python build/sbom-venv install dist/*.whl
	mkdir -p build/sbom
	$(subst $(VENV),build/sbom-tool,$(RUN)) -m cyclonedx_py environment build/sbom-venv --mc-type library --output-reproducible -o build/sbom/scramjet_client.cdx.json

# The lowest versions are for those who can't have newer ones. What docs/environment.md says of them is known.
audit: $(VENV)/.stamp-test ## Fail on vulnerabilities that docs/environment.md does not list, of the lowest and of the installed dependencies
	$(PIP) install 'pip-audit>=2.7'
	$(RUN) -m tests.support.audit

fuzz: $(VENV)/.stamp-fuzz ## Throw bytes at what reads strangers' bytes (SECONDS=60 for each target, ARGS="chunks")
	$(RUN) -m fuzz --seconds $(SECONDS) $(ARGS)

soak: $(VENV)/.stamp-test ## Do random operations through faults, and account for every byte (MINUTES=10, ARGS="--seed 1")
	$(RUN) -m soak --minutes $(MINUTES) $(ARGS)

bench: $(VENV)/.stamp-bench ## Measure this client beside its peers (ARGS="--quick", ARGS="output-100")
	$(RUN) -m benchmarks $(ARGS)

bench-compare: $(VENV)/.stamp-bench ## Measure a commit beside the files as they are, in turns, and print the ratios (BEFORE=main, ARGS="--cases upload-64k")
	$(RUN) -m benchmarks.compare '$(BEFORE)' $(ARGS)

compare: $(VENV)/.stamp-hub ## Compare LocalHub with a 1.x hub that runs, request for request and program for program (HUB=URL, ARGS="-k request", ARGS=--all)
	$(RUN) -m compare '$(HUB)' $(ARGS)

docs: $(VENV)/.stamp-test ## Build the documentation into build/docs, and check its links and its code
	$(RUN) -m sphinx --fail-on-warning --keep-going -q -b html -d build/doctrees docs build/docs
	$(RUN) -m pytest tests/test_docs.py tests/test_docs_site.py $(ARGS)

matrix: $(VENV)/.stamp-dev ## Run the tests on every Python found, with the lowest and the latest dependencies
	$(RUN) -m nox $(ARGS)

clean: ## Remove what the other targets have made
	rm -rf $(VENV) .nox build dist mutants fuzz/corpus fuzz/found *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/*/node_modules benchmarks/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.stamp-venv:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	    echo "scramjet_client needs Python 3.9 or newer, and there is no '$(PYTHON)' here; name one by PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { \
	    echo "scramjet_client needs Python 3.9 or newer, and '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1); name another by PYTHON=..." >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	@$(PIP) install 'pip>=23'
	@touch $@

$(VENV)/.stamp-hub: $(VENV)/.stamp-venv $(METADATA)
	$(PIP) install -e '.[hub]'
	@touch $@

# tinyproxy is a second forward proxy for the tests, and nginx the usual proxy before a hub; they do without them elsewhere.
$(VENV)/.stamp-test: $(VENV)/.stamp-venv $(METADATA)
	$(PIP) install -e '.[test]'
	@{ command -v tinyproxy && command -v nginx; } >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    { apt-get install -qq -y tinyproxy nginx-light || { apt-get update -qq && apt-get install -qq -y tinyproxy nginx-light; }; } >/dev/null 2>&1; } || true
	@touch $@

$(VENV)/.stamp-long: $(VENV)/.stamp-test
	$(PIP) install -e '.[test,long]'
	@touch $@

$(VENV)/.stamp-lint: $(VENV)/.stamp-test
	$(PIP) install -e '.[test,lint]'
	@touch $@

# Where there is no atheris for this Python, fuzzing goes on without coverage.
$(VENV)/.stamp-fuzz: $(VENV)/.stamp-test $(METADATA)
	$(PIP) install -e '.[test,fuzz]' || true
	@touch $@

$(VENV)/.stamp-mutants: $(VENV)/.stamp-test
	$(PIP) install -e '.[test,mutants]'
	@touch $@

$(VENV)/.stamp-bench: $(VENV)/.stamp-test
	$(PIP) install -e '.[test,bench]'
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-test
	$(PIP) install -e '.[dev]'
	@touch $@
