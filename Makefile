# Everything that a person or CI does with a clone. Each target makes what it needs, from nothing but Python and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# tflite-runtime has no release for later Pythons; without this one its environment is left out, and its tests say so.
TFLITE_PYTHON ?= $(shell command -v python3.11)
HOST := .venv
LITERT := .venv-litert
TFLITE := .venv-tflite
FORMATS := .venv-formats
DIST := .cache/dist
SOURCES := $(shell find edgernn export devices -type f -not -name '*.pyc') pyproject.toml README.md LICENSE CHANGELOG.md

export ORT_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start hundreds of Pythons; where this is set, each of them compiles the package again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help env devices formats demo test test-fast lint docs dist sbom boards instructions bench accuracy denoise compression clean

help:
	@echo "make env    the host environment, in $(HOST)"
	@echo "make demo   train, export and stream a small model: the whole story in two minutes"
	@echo "make test   all tests, on this machine and in two bare device environments"
	@echo "make test-fast  tests that neither train nor compile: less than a minute on two cores"
	@echo "make lint   ruff, mypy, the rules of imports and of names"
	@echo "make docs   the documentation, into .cache/site"
	@echo "make dist   the wheel and the source, into .cache/dist; built twice, and the same bytes"
	@echo "make sbom   what the wheel is made of, as CycloneDX, into .cache/sbom.json"
	@echo "make boards  the wheel and compiled steps on the processors of boards, in qemu (ten minutes, then four)"
	@echo "make instructions  instructions of a step on emulated processors, into bench/results (takes 20 minutes)"
	@echo "make bench  the times of docs/results.md, into bench/results (takes 25 minutes on two idle cores)"
	@echo "make compression  what smaller models lose and gain, into bench/results (takes an hour on two cores)"
	@echo "make accuracy  what the recipes reach, into bench/results (takes an hour on two cores)"
	@echo "make denoise  what the recipes that denoise reach, into bench/results (takes 40 minutes)"

env: $(HOST)/.made

# torch first and by its exact version: a loose one would bring gigabytes for GPUs that are not there.
$(HOST)/.made: .constraints/host.txt pyproject.toml
	test -x $(HOST)/bin/python || $(PYTHON) -m venv $(HOST)
	$(HOST)/bin/pip install -q -c .constraints/host.txt $$(grep '^torch==' .constraints/host.txt)
	$(HOST)/bin/pip install -q -c .constraints/host.txt -e '.[dev]'
	touch $@

# What a device has: the wheel, built through the sdist, with one runtime and nothing of the host.
devices: $(LITERT)/.made $(if $(TFLITE_PYTHON),$(TFLITE)/.made)

$(DIST)/.made: $(HOST)/.made $(SOURCES)
	rm -rf $(DIST)
	$(HOST)/bin/python -m build -q --no-isolation --outdir $(DIST) .
	$(HOST)/bin/check-wheel-contents $(DIST)
	touch $@

# Whoever builds a release again gets the bytes that were published.
dist: $(DIST)/.made
	rm -rf $(DIST)-again
	$(HOST)/bin/python -m build -q --no-isolation --outdir $(DIST)-again .
	cd $(DIST) && for file in *.whl *.tar.gz; do cmp $$file ../dist-again/$$file; done
	cd $(DIST) && sha256sum *.whl *.tar.gz

# The wheel with what it needs and no more, described by a tool in an environment of its own.
sbom: $(DIST)/.made .constraints/release.txt
	rm -rf .cache/bare .cache/cyclonedx
	$(PYTHON) -m venv .cache/cyclonedx
	.cache/cyclonedx/bin/pip install -q -c .constraints/release.txt cyclonedx-bom
	$(PYTHON) -m venv --without-pip .cache/bare
	.cache/cyclonedx/bin/pip --python .cache/bare/bin/python install -q -c .constraints/host.txt $(DIST)/*.whl
	.cache/cyclonedx/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--output-file .cache/sbom.json .cache/bare/bin/python

$(LITERT)/.made: $(DIST)/.made .constraints/host.txt
	test -x $(LITERT)/bin/python || $(PYTHON) -m venv $(LITERT)
	$(LITERT)/bin/pip install -q -c .constraints/host.txt "$$(echo $(DIST)/*.whl)[litert]"
	$(LITERT)/bin/pip install -q --no-deps --force-reinstall $(DIST)/*.whl
	touch $@

$(TFLITE)/.made: $(DIST)/.made .constraints/tflite.txt
	test -x $(TFLITE)/bin/python || $(TFLITE_PYTHON) -m venv $(TFLITE)
	$(TFLITE)/bin/pip install -q -c .constraints/tflite.txt "$$(echo $(DIST)/*.whl)[tflite]"
	$(TFLITE)/bin/pip install -q --no-deps --force-reinstall $(DIST)/*.whl
	touch $@

# The checkers that the formats of components publish, for tests alone.
formats: $(FORMATS)/.made

$(FORMATS)/.made: .constraints/formats.txt
	test -x $(FORMATS)/bin/python || $(PYTHON) -m venv $(FORMATS)
	$(FORMATS)/bin/pip install -q -r .constraints/formats.txt
	touch $@

demo: env
	$(HOST)/bin/edgernn demo

test: env devices formats
	$(HOST)/bin/python -m pytest -n auto --dist loadscope --no-loadscope-reorder

test-fast: env
	$(HOST)/bin/python -m pytest -n auto --dist loadscope --no-loadscope-reorder --fast -m "not slow"

lint: env
	$(HOST)/bin/ruff check .
	$(HOST)/bin/ruff format --check .
	$(HOST)/bin/mypy
	$(HOST)/bin/lint-imports
	$(HOST)/bin/python .ci/names.py

# From docs/ and the code, without a network; a warning is an error.
docs: env
	NO_MKDOCS_2_WARNING=1 $(HOST)/bin/mkdocs build --strict

# Needs qemu-user-static, apt and dpkg; nothing of this machine's packages changes. What is prepared stays in .cache.
boards: env $(DIST)/.made
	PYTHONPATH=tests $(HOST)/bin/python -m emulated
	$(HOST)/bin/python bench/readme.py

# What emulators execute; nothing is timed.
instructions: env $(DIST)/.made
	$(HOST)/bin/python bench/microcontrollers.py
	$(HOST)/bin/python bench/instructions.py
	$(HOST)/bin/python bench/readme.py

bench: env devices
	$(HOST)/bin/python bench/step_latency.py $(if $(TFLITE_PYTHON),--tflite-python $(TFLITE)/bin/python)
	$(HOST)/bin/python bench/paced.py
	$(HOST)/bin/python bench/numpy_step.py
	$(HOST)/bin/python bench/c_level.py
	$(HOST)/bin/python bench/levels.py
	$(HOST)/bin/python bench/streams.py
	$(HOST)/bin/python bench/c_footprint.py
	$(HOST)/bin/python bench/convolutions.py
	$(HOST)/bin/python bench/monitor.py
	$(HOST)/bin/python bench/regress.py
	$(HOST)/bin/python bench/verdicts.py
	$(HOST)/bin/python bench/export.py
	$(HOST)/bin/python bench/wasm.py
	$(HOST)/bin/python bench/readme.py

# Six trainings. What is finished stays in .cache.
denoise: env
	$(HOST)/bin/python bench/denoise.py

# Some fifty trainings, about an hour of processor time. What is finished stays in .cache.
accuracy: env
	$(HOST)/bin/python bench/accuracy.py
	$(HOST)/bin/python bench/crnn.py
	$(HOST)/bin/python bench/keyword_stream.py
	$(HOST)/bin/python bench/cells.py
	$(HOST)/bin/python bench/spectra.py
	$(HOST)/bin/python bench/delta.py
	$(HOST)/bin/python bench/readme.py

# Fifteen trainings and as many fine-tunings, then times: let nothing else run.
compression: env devices
	$(HOST)/bin/python bench/compression.py
	$(HOST)/bin/python bench/readme.py

clean:
	rm -rf $(HOST) $(LITERT) $(TFLITE) $(FORMATS) .cache
