# countenance: every chore has one name here. `make demo` and `make test` are the two that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Where the published corpora lie, for build-full; nothing else needs them.
CORPORA := ../shared/data/corpora

# How long `make fuzz` stays at each of its targets.
FUZZ_SECONDS := 300

.PHONY: install demo test test-faults test-hostile test-ray fuzz lint format bench bench-split build-full fit-head web wheel constraints clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip==26.1
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[demo,embedded,dev]'
	touch $@

demo: install
	$(BIN)/countenance demo --out out/demo

# Two workers, a file of tests at a time; plain `pytest` works too.
test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

# 10,000 hostile transcripts along the whole road; the counts go into docs/hostile_input.md.
test-hostile: install
	$(BIN)/python tests/hostile/road.py --count 10000 --page docs/hostile_input.md

# Coverage-guided (atheris, Linux); stops at the first defect. FUZZ_SECONDS=30 for a short one.
fuzz: install
	for target in action_units mapping_tables corpora_readers prompt_files config_files; do \
	  $(BIN)/python tests/fuzz/run.py $$target --seconds $(FUZZ_SECONDS) || exit 1; done

# Every fault of tests/faults, 50 kills of each kind, the kills beside the rest; writes
# tests/faults/README.md. What needs a disk of its own is skipped where this user may not mount one.
FAULTS := COUNTENANCE_FAULT_KILLS=50 COUNTENANCE_FAULT_TABLE=write $(BIN)/python -m pytest -m ''

test-faults: install
	rm -f tests/faults/table.json
	$(FAULTS) tests/faults --ignore=tests/faults/test_faults_kill.py & rest=$$!; \
	COUNTENANCE_FAULT_WORKERS=1 $(FAULTS) tests/faults/test_faults_kill.py; kills=$$?; \
	wait $$rest && exit $$kills
	sed -n '/^| fault/,$$p' tests/faults/README.md

# mypy wants the package under its own name: a link called `countenance` that points at this folder.
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p .cache/typing && ln -sfn ../.. .cache/typing/countenance
	MYPYPATH=.cache/typing $(BIN)/mypy --package countenance
	$(BIN)/python tests/check_advisories.py

format: install
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python -m benchmarks

# Time and per-tag deviation of the split of 53,000 items; make bench-split RUN=path for a finished run.
bench-split: install
	$(BIN)/python benchmarks/split.py $(if $(RUN),--run $(RUN))

# Ray runs whose driver is killed, a running cluster and a busy one; what `make test` leaves out of tests/generation/test_ray*.py.
test-ray: install
	COUNTENANCE_TEST_RAY=1 $(BIN)/python -m pytest tests/generation/test_ray.py tests/generation/test_ray_cluster.py

# The whole dataset from the four corpora, an hour or less on two cores; stop it as you like, it goes on.
build-full: install
	$(BIN)/countenance annotate --corpus go_emotions=$(CORPORA)/go_emotions \
	  --corpus tweet_intensity=$(CORPORA)/tweet_intensity --corpus isear=$(CORPORA)/isear \
	  --corpus meld=$(CORPORA)/meld --out out/full/run
	$(BIN)/countenance build out/full/run --out out/full/dataset

# The packaged calibration head, from the corpora's train files.
fit-head: install
	$(BIN)/countenance fit-head --corpus go_emotions=$(CORPORA)/go_emotions \
	  --corpus tweet_intensity=$(CORPORA)/tweet_intensity --limit 15000 --out generation/heads/head-v1

# What some tests and the page take from npm, outside the repository: the Khronos glTF validator and three.js.
web:
	npm install --prefix .cache/web --no-audit --no-fund --save-exact \
	  gltf-validator@2.0.0-dev.3.10 three@0.187.0 @pixiv/three-vrm-core@3.5.5

# Builds the wheel and installs it, with its dependencies, into an empty environment outside the checkout.
wheel: install
	rm -rf build dist .cache/wheel
	$(BIN)/python -m build --wheel --outdir dist .
	$(PYTHON) -m venv .cache/wheel
	.cache/wheel/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd .cache && wheel/bin/python ../tests/check_wheel.py

constraints:
	{ echo "# The exact versions that were tested together (Python 3.11, Linux x86-64, CPU). Made by 'make constraints'."; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//'; } > constraints.txt

clean:
	rm -rf build dist out/demo .cache *.egg-info
