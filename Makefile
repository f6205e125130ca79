# The short ways to run, test and ship file-uploader. `make` alone lists them.
# Everything is installed into .venv, and again only when a requirements file has changed.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
ARGS =
# Most tests wait for something most of the time.
PARALLEL = -n 4 --dist worksteal
IMAGE = file_uploader:latest
NAME = file_uploader
PAGE = file_uploader/http/static/index.html
# npm writes this when it has installed everything.
NODE_MODULES = web/node_modules/.package-lock.json
COMPOSE_FILE = docker/docker-compose.yml

# The API does without the page, so nothing that goes wrong with it is a reason not to serve.
BUILD_PAGE_ONCE = test -e $(PAGE) || { command -v npm >/dev/null && $(MAKE) --no-print-directory page; } || \
	echo "The page is not built (that needs npm); serving without it." >&2

# Without npm the page is left unchecked, but never where CI is set.
HAS_NPM = command -v npm >/dev/null || { echo "npm is missing: the page is not checked" >&2; \
	test -z "$$CI"; exit; }

# The Compose plugin where it is installed, else the stand-alone program.
COMPOSE = $$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help
help: ## show this list
	@echo 'usage: make TARGET [PYTHON=python3.12] [ARGS="more arguments for pytest"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s%s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(VENV)/.runtime ## serve on HOST:PORT (0.0.0.0:8080)
	@$(BUILD_PAGE_ONCE)
	exec $(BIN)/gunicorn app:app

.PHONY: start-gunicorn
start-gunicorn: $(VENV)/.runtime ## serve on port 8080 with one worker, reloading changed code
	@$(BUILD_PAGE_ONCE)
	exec $(BIN)/gunicorn app:app -b 0.0.0.0:8080 --reload -w 1

.PHONY: page
page: $(NODE_MODULES) ## build the page; needs npm
	npm --prefix web run build

.PHONY: test
test: $(VENV)/.test test-page ## run the tests
	$(BIN)/pytest -v $(PARALLEL) $(ARGS)

.PHONY: test-heavy
test-heavy: $(VENV)/.test page ## run the tests that take minutes
	$(BIN)/pytest -v -m 'heavy and not alone' -n 3 --dist loadfile $(ARGS)
	$(BIN)/pytest -v -m 'heavy and alone' $(ARGS)

.PHONY: lint
lint: $(VENV)/.test check-page ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: check-page
check-page: ## check the style and types of the page
	@$(HAS_NPM); $(MAKE) --no-print-directory $(NODE_MODULES) && npm --prefix web run check

.PHONY: test-page
test-page: ## test the page's own rules
	@$(HAS_NPM); $(MAKE) --no-print-directory $(NODE_MODULES) && npm --prefix web test

.PHONY: install
install: $(VENV)/.test ## install what running and testing need

.PHONY: lock
lock: $(VENV)/.created ## pin the newest versions that pyproject.toml allows
	test -x $(VENV)/lock/bin/python || $(BIN)/python -m venv $(VENV)/lock
	scripts/lock.sh $(VENV)/lock/bin/python

.PHONY: screenshots
screenshots: $(VENV)/.test page ## make the pictures of the docs anew; needs Chromium
	$(BIN)/python -m tests.browser.screenshots docs/images

.PHONY: wheel
wheel: page $(VENV)/.created ## build the page, and a wheel with it, into dist/
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps -w dist .

.PHONY: docker-build
docker-build: ## build the image
	docker build -t $(IMAGE) . -f docker/Dockerfile

.PHONY: docker-run
docker-run: .env docker-build ## build the image and run it on port 8080; data in a named volume
	@docker stop $(NAME) >/dev/null 2>&1 || true
	@docker rm $(NAME) >/dev/null 2>&1 || true
	docker run --name $(NAME) -d --env-file .env -p 8080:8080 --stop-timeout 40 \
		-v file_uploader_data:/data $(IMAGE)

.PHONY: docker-logs
docker-logs: ## follow the log of that container
	docker logs -f $(NAME)

.PHONY: docker-stop
docker-stop: ## stop and remove that container; the data stays
	docker stop $(NAME)
	docker rm $(NAME)

.PHONY: run-dev
run-dev: .env ## build and run with Compose
	$(COMPOSE) -f $(COMPOSE_FILE) up --build -d

.PHONY: logs
logs: ## follow the log of the Compose service
	$(COMPOSE) -f $(COMPOSE_FILE) logs -f file_uploader

.PHONY: stop-dev
stop-dev: ## stop the Compose service; the data stays
	$(COMPOSE) -f $(COMPOSE_FILE) down

.PHONY: clean
clean: ## remove what was installed and built; data and .env stay
	rm -rf web/node_modules $(dir $(PAGE))
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(NODE_MODULES): web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

# Never touched once it is there: a rule without prerequisites runs only if the file is missing.
.env:
	cp .env.example .env
	chmod 600 .env

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not that:" \
			"name one with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' lacks its venv module" \
			"(on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements-runtime.txt $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-runtime.txt
	@touch $@

$(VENV)/.test: requirements.txt requirements-runtime.txt $(VENV)/.created
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@ $(VENV)/.runtime
