# Everything here is one command of bootstrap.py, which needs Python 3.11 or newer and nothing else.
# make demo ARGS=--keep · make demo PYTHON=python3.12

PYTHON ?= python3
ARGS ?=

.PHONY: demo test constraints clean

demo:        ## a service, a real Airflow, one DAG run, a trained model
	@$(PYTHON) bootstrap.py demo $(ARGS)

test:        ## all checks and tests
	@$(PYTHON) bootstrap.py test $(ARGS)

constraints: ## resolve constraints.txt anew, with the newest releases that pyproject.toml allows
	@$(PYTHON) bootstrap.py constraints

clean:       ## remove what the commands above have made
	rm -rf .venv-demo .venv-test .venv-keystone .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
