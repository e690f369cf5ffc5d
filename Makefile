# SPDX-License-Identifier: Apache-2.0
# Shortcuts for the usual commands. CMake does the build itself: see CMakePresets.json.

.PHONY: build demo demo-segmentation experiments test toy fuzz torture bench parity parity-cuda coverage manual format api check

build:
	cmake --preset release
	cmake --build --preset release

demo:
	scripts/install-deps --demo
	$(MAKE) --no-print-directory build
	examples/demo/run

# The tissues of the demo's heads, labelled by a U-Net; and lesions of patients, where SLMT_DATA_DIR has them.
demo-segmentation:
	scripts/install-deps --demo
	$(MAKE) --no-print-directory build
	examples/segmentation/run

# Does pre-training help when pairs are few? A study on real scans (SLMT_DATA_DIR): a day or two, and it goes on where it
# was stopped. FORM=short: minutes, to see that it works.
FORM ?= full
experiments: build
	examples/experiments/study.py --form $(FORM) --out experiments

test:
	scripts/install-deps
	$(MAKE) --no-print-directory build
	ctest --preset release --output-junit results.xml

# The whole training of examples/seq2seq-toy and its checks: about five minutes of one quiet core, on a busy machine as many
# times longer as there are programs for each core. `make test` runs its first part.
toy: build
	build/release/bin/seq2seq-toy --seed 0 --threads 1

# Every recorded case of the reference implementation in SLMT_PARITY_DIR, including the large ones.
SLMT_PARITY_DIR ?= $(CURDIR)/../shared/parity
parity: build
	SLMT_PARITY_DIR=$(SLMT_PARITY_DIR) ctest --preset release --tests-regex parity

# The same of the cuda backend, under emulation: two networks.
parity-cuda: build
	for name in nano tiny; do build/release/bin/test_parity --cuda build/release/tests/cuda/plugins/libslmt_cuda.so \
	    $(SLMT_PARITY_DIR)/$$name.h5 || exit 1; done

# The fuzz targets under libFuzzer, each for so many minutes; needs clang and libclang-rt-dev. What they find lies in build/fuzz/found: put it
# into tests/data/found (files of HDF5) or tests/fuzz/corpus, so that `make test` replays it.
MINUTES ?= 30
FUZZ ?= dialect set checkpoint trainer volume numbers tensors arguments table plan scans
fuzz:
	cmake --preset fuzz
	cmake --build --preset fuzz --target $(addprefix fuzz_,$(FUZZ))
	scripts/fuzz $(MINUTES) $(FUZZ)

# Every place where memory, a disk or a descriptor can fail under the command, and kills at random moments: an hour.
# `make test` takes a few of each. MOST: how many places of a class.
MOST ?= 60
torture: build
	MOST=$(MOST) tests/torture/torture.sh $(CURDIR)/build/release/bin/slmt $(CURDIR)/build/release/bin/make_phantom \
	    $(CURDIR)/build/release/tests/libfailing.so long

# Lines of lib/, src/ and backends/ that the tests run, and the least that they must be: a build of its own, minutes.
coverage:
	scripts/check-coverage

# Time and memory of the main jobs; BENCH="--jobs synth1 --shapes" measures one of them, with every op.
bench: build
	build/release/bin/bench $(BENCH)

# The reference of the C interface and the pages of docs/, as HTML in build/manual/html.
manual:
	scripts/check-manual

format:
	scripts/check-format --fix

# The files generated from the public headers: bindings, linker map, tables, tests. Needs scripts/install-deps --ci.
api:
	build/venv/bin/python scripts/generate-api

check:
	scripts/check-format
	scripts/check-layering
	scripts/check-headers
	scripts/trace-requirements --check
	scripts/check-contributing
	scripts/check-manual
	build/venv/bin/python scripts/generate-api --check
	build/venv/bin/python -B tests/api/test_generate_api.py
