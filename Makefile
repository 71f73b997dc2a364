# On a machine without ROS: `make demo` and `make test` set everything up in .venv and run.
# On a robot, ROS 2 is there already: see README.md, rosdep and colcon do the work.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= demo
MODEL ?= sarnn
PRECISION ?= fp32
SAMPLES := samples/sarnn samples/cnnrnn samples/cnnrnnln
BAG := samples/demonstration
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

.PHONY: help demo sim test lint bench clean

help:
	@echo 'make demo   replay a recorded demonstration through the lifecycle node; writes $(OUT)/report.html'
	@echo 'make sim    drive the simulated arm over ROS topics; writes $(OUT)/sim/report.html'
	@echo '            (MODEL=sarnn|cnnrnn|cnnrnnln, PRECISION=fp32|fp16|int8)'
	@echo 'make test   lint, then all tests'
	@echo 'make lint   ruff and mypy only'
	@echo 'make bench  where the microseconds of a frame go on this machine'
	@echo 'make clean  remove the virtual environment and everything made here'

demo: $(VENV)/.base
	$(BIN)/eipl_trt evaluate --live --bag $(BAG) $(SAMPLES:%=--bundle %) --out $(OUT)

sim: $(VENV)/.sim
	$(BIN)/python -m eipl_trt_ros.sim live samples/$(MODEL) --precision $(PRECISION) --episodes 3 --out $(OUT)/sim

bench: $(VENV)/.test
	$(BIN)/eipl_trt bench $(SAMPLES:%=--bundle %)

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(OUT) build install log

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "the pinned wheels need Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { \
	  echo "Python lacks venv; install it: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(VENV)/bin/python requirements/base.txt requirements/constraints.txt setup.py
	$(BIN)/python -m pip install --quiet -r requirements/base.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.sim: $(VENV)/.base requirements/sim.txt requirements/sim-robot.txt
	$(BIN)/python -m pip install --quiet -r requirements/sim.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements/sim-robot.txt
	@touch $@

# Other versions of TensorRT go into folders of their own, where only the tests look for them.
$(VENV)/.test: $(VENV)/.sim $(wildcard requirements/*.txt)
	$(BIN)/python -m pip install --quiet -r requirements/test.txt
	for version in rtx-1.7 10.16 11.4; do \
	  $(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/tensorrt/$$version \
	    -r requirements/tensorrt-$$version.txt || exit 1; \
	done
	@touch $@
