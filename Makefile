# SPDX-License-Identifier: Apache-2.0
# The usual errands by name. The build itself is CMake's: see CMakePresets.json.

.PHONY: build demo test bench format check

build:
	cmake --preset release
	cmake --build --preset release

demo:
	scripts/install-deps --demo
	$(MAKE) --no-print-directory build
	examples/demo/run

test:
	scripts/install-deps --test
	$(MAKE) --no-print-directory build
	ctest --preset release

bench:
	scripts/install-deps
	$(MAKE) --no-print-directory build
	cmake --build --preset release --target bench

format:
	scripts/check-format --fix

check:
	scripts/check-format
	scripts/check-layering
