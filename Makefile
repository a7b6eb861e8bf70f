# Each target runs a command of bootstrap.py, which needs Python 3.11 or newer and nothing else.
# make demo ARGS=--keep · make demo PYTHON=python3.12

PYTHON ?= python3
ARGS ?=

.PHONY: demo test test-all test-long test-matrix constraints clean

demo:        ## start a service and a real Airflow, run one DAG, train a model
	@$(PYTHON) bootstrap.py demo $(ARGS)

test:        ## run the checks, and the tests that take minutes: unit, architecture, conformance, one training
	@$(PYTHON) bootstrap.py test $(ARGS)

test-all:    ## run the checks and all tests
	@$(PYTHON) bootstrap.py test-all $(ARGS)

test-long:   ## run the tests that take hours: fuzzing, chaos
	@$(PYTHON) bootstrap.py test-long

test-matrix: ## run the provider's unit tests on other releases of Python and Airflow
	@$(PYTHON) bootstrap.py test-matrix $(ARGS)

constraints: ## resolve constraints.txt again, with the newest releases that pyproject.toml allows
	@$(PYTHON) bootstrap.py constraints

clean:       ## remove the files that the other targets make
	rm -rf .venv-demo .venv-test .venv-keystone .venv-matrix-* .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
