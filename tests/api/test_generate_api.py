# SPDX-License-Identifier: Apache-2.0
"""scripts/generate-api refuses declarations that a binding could not use, and comments that do not fit.

Usage: build/venv/bin/python -B tests/api/test_generate_api.py"""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CASES = {  # what is put into version.h: what the generator says of it
    "/** \\since 0.2 */ SLMT_API int32_t slmt_fine(int32_t a);": None,
    "/** \\since 0.2 */ SLMT_EXPERIMENTAL SLMT_DEPRECATED int32_t slmt_fine(int32_t a);": None,
    "SLMT_API int32_t slmt_bad(int32_t a);": "no \\since",
    "/** @param b what @threads any \\since 0.2 */ SLMT_API int32_t slmt_bad(int32_t a);": "a parameter b",
    "/** \\since 0.2 */ int32_t slmt_bad(int32_t a);": "begins neither with SLMT_API",
    "/** \\since 0.2 */ SLMT_API int32_t slmt_bad(unsigned long a);": "unsigned long is not among",
    "/** \\since 0.2 */ SLMT_API int32_t slmt_bad(slmt_build_info a);": "by value",
    "/** \\since 0.2 */ SLMT_API slmt_build_info slmt_bad(void);": "by value",
    "/** \\since 0.2 */ typedef struct slmt_bad { int32_t a : 3; } slmt_bad;": "bit-fields",
    "/** \\since 0.2 */ typedef struct slmt_bad { union { int32_t a; float b; } c; } slmt_bad;": "unions",
    "/** \\since 0.2 */ typedef struct slmt_bad { long a; } slmt_bad;": "long is not among",
    "extern int32_t slmt_bad;": "no binding knows",
    "/** \\since 0.2 */ SLMT_API int32_t slmt_bad(no_such_type a);": "unknown type",
}


def generator():
    loader = importlib.machinery.SourceFileLoader("generate_api", str(ROOT / "scripts/generate-api"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("generate_api", loader))
    loader.exec_module(module)
    return module


def said(module, declaration):
    """What the generator says of the public headers with one declaration more; None if it takes them."""
    with tempfile.TemporaryDirectory() as folder:
        module.INCLUDE = pathlib.Path(folder) / "include"
        shutil.copytree(ROOT / "include", module.INCLUDE)
        header = module.INCLUDE / "slmt/version.h"
        text = header.read_text()
        end = text.rindex("#ifdef __cplusplus")
        header.write_text(f"{text[:end]}{declaration}\n{text[end:]}")
        try:
            module.render(module.read_headers())
        except module.Refused as problem:
            return str(problem)
    return None


def main():
    module, wrong = generator(), 0
    for declaration, expected in CASES.items():
        got = said(module, declaration)
        if (got is None) != (expected is None) or expected and expected not in got:
            print(f"{declaration}\n    gave {got!r}, expected {expected!r}")
            wrong += 1
    print(f"generate-api: {len(CASES)} declarations, {wrong} not met as expected")
    return 1 if wrong else 0


sys.exit(main())
