# The short ways to run, test and ship file-uploader. `make` alone lists them.
# Everything is installed into .venv, and again only when a requirements file has changed;
# what the page is made with goes into web/node_modules, by the lock file there.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
ARGS =
HOURS = 8
# Most tests wait for something most of the time.
PARALLEL = -n 4 --dist worksteal
# Each of these processes would rewrite all tests anew where bytecode is not kept.
PYTEST = env PYTHONDONTWRITEBYTECODE= $(BIN)/pytest
# Hundreds of stores with 256 directories each are made and removed: in memory, where there is room.
IN_MEMORY = $$(df -k --output=avail /dev/shm 2>/dev/null | awk '$$1 > 4000000 { print "TMPDIR=/dev/shm" }')
IMAGE = file_uploader:latest
NAME = file_uploader
COMPOSE_FILE = docker/docker-compose.yml

PAGE = file_uploader/http/pages/static/index.html
MODULES = web/node_modules
NODE = Node.js 22.12 or newer
GET_NPM = it comes with $(NODE): https://nodejs.org

# The page has tools of its own. Who has no npm does without them, and is told so; with CI set that
# is a failure.
ifneq ($(or $(CI),$(shell command -v npm 2>/dev/null)),)
PAGE_TOOLS = $(MODULES)/.installed
IN_WEB = cd web &&
else
IN_WEB = @echo "npm is not there, so this is left out ($(GET_NPM)):"
endif

# The Compose plugin where it is installed, else the stand-alone program.
COMPOSE = $$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help
help: ## show this list
	@echo 'usage: make TARGET [PYTHON=python3.12] [ARGS="more arguments for pytest"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s%s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(VENV)/.runtime $(PAGE) ## serve on HOST:PORT (0.0.0.0:8080)
	exec $(BIN)/gunicorn app:app

.PHONY: start-gunicorn
start-gunicorn: $(VENV)/.runtime $(PAGE) ## serve on port 8080 with one worker, reloading changed code
	exec $(BIN)/gunicorn app:app -b 0.0.0.0:8080 --reload -w 1

.PHONY: page
page: $(MODULES)/.installed ## build the pages
	cd web && npm run build

.PHONY: bench
bench: $(VENV)/.test ## measure against what people use otherwise; ARGS=--quick for less
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-growth
bench-growth: $(VENV)/.test ## measure how it grows with files, connections, sizes and workers
	$(BIN)/python -m bench.growth $(ARGS)

.PHONY: bench-plots
bench-plots: $(VENV)/.bench ## draw the plots of the benchmarks, and put them into the docs
	$(BIN)/python -m bench.plots $(ARGS)

.PHONY: wheel
wheel: $(VENV)/.created $(if $(PAGE_TOOLS),page) ## build the page, and a wheel with it into dist/
	@test -e $(PAGE) || echo "npm is not there, so the wheel has no page ($(GET_NPM))" >&2
	rm -rf build
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps -w dist .

.PHONY: check
check: $(VENV)/.test $(PAGE_TOOLS) ## check style and types, and run what needs no server: for every save
	$(MAKE) --no-print-directory lint
	env $(IN_MEMORY) $(PYTEST) -q -n 3 --dist worksteal --ring=check tests/unit tests/contract $(ARGS)

.PHONY: test
test: $(VENV)/.test $(PAGE_TOOLS) ## run the tests that need no more than was installed here
	$(IN_WEB) npm test
	env $(IN_MEMORY) $(PYTEST) $(PARALLEL) $(ARGS)

.PHONY: test-all
test-all: $(VENV)/.test page ## run all tests but those of `make soak`; needs what `.ci/run` installs
	$(IN_WEB) npm test
	env $(IN_MEMORY) $(PYTEST) --ring=ci -m 'not alone' -n 6 --dist worksteal tests/integration tests/contract tests/unit $(ARGS)
	$(PYTEST) --ring=ci -m 'not alone' -n 5 --dist loadfile tests/system --ignore tests/system/faults $(ARGS)
	$(PYTEST) --ring=ci -m 'not alone' -n 6 --dist worksteal tests/system/faults $(ARGS)
	$(PYTEST) --ring=ci -m alone tests/integration tests/system $(ARGS)

# However make ends, it takes all that it has started along.
.PHONY: soak
soak: $(VENV)/.test $(PAGE_TOOLS) ## all that takes too long for each change, for HOURS (8); goes on where it was stopped
	setpriv --pdeathsig TERM $(BIN)/python -m tests.soak --hours $(HOURS) $(ARGS)

.PHONY: soak-report
soak-report: $(VENV)/.test ## put what long runs have shown into the docs
	$(BIN)/python -m tests.soak --docs

.PHONY: mutants
mutants: $(VENV)/.test ## see which tests find faults that are put into the package: ARGS="draw", "map check", …
	$(BIN)/python -m scripts.mutants $(ARGS)

.PHONY: screenshots
screenshots: $(VENV)/.test page ## make the pictures of the docs anew; needs Chromium
	$(BIN)/python -m tests.system.browser.screenshots docs/images

.PHONY: lint
lint: $(VENV)/.test $(PAGE_TOOLS) ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy
	$(IN_WEB) npm run check

.PHONY: install
install: $(VENV)/.test $(PAGE_TOOLS) ## install what running and testing need

.PHONY: lock
lock: $(VENV)/.created ## pin the newest versions that pyproject.toml allows
	test -x $(VENV)/lock/bin/python || $(BIN)/python -m venv $(VENV)/lock
	scripts/lock.sh $(VENV)/lock/bin/python

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
	rm -rf $(VENV) .packages build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf $(dir $(PAGE)) $(MODULES)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Never touched once it is there: a rule without prerequisites runs only if the file is missing.
.env:
	cp .env.example .env
	chmod 600 .env

# As that: `make page` builds it again. The server does without it, so nothing here is a failure.
$(PAGE):
	@if ! command -v npm >/dev/null; then \
		echo "npm is not there, so there is no page at / ($(GET_NPM))" >&2; \
	elif ! $(MAKE) --no-print-directory page; then \
		echo "the page could not be built (it takes $(NODE)), so there is none at /" >&2; \
	fi

$(MODULES)/.installed: web/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the page ($(GET_NPM))" >&2; exit 1; }
	cd web && npm ci --no-audit --no-fund
	@touch $@

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

$(VENV)/.bench: requirements-bench.txt $(VENV)/.test
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@
