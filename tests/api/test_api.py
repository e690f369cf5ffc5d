# SPDX-License-Identifier: Apache-2.0
"""Python sees what C sees: constants, sizes, offsets, and calls that come through.

Usage: test_api.py PATH_OF_API_LAYOUT, with SLMT_LIBRARY and PYTHONPATH set."""

import ctypes
import importlib.util
import subprocess
import sys
import types

# The package's other modules need NumPy, these do not: an empty package in its place.
package = types.ModuleType("slmt")
package.__path__ = importlib.util.find_spec("slmt").submodule_search_locations
sys.modules["slmt"] = package
from slmt import _api as api  # noqa: E402


def of_c():
    """What api_layout prints, as {words but numbers: numbers}."""
    lines = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout.splitlines()
    facts = {}
    for line in lines:
        words = line.split()
        numbers = [int(word) for word in words if word.lstrip("-").isdigit()]
        facts[tuple(words[:len(words) - len(numbers)])] = numbers
    return facts


def of_python():
    facts = {("constant", name): [value] for name, value in vars(api).items() if name.startswith("SLMT_")}
    for name, kind in vars(api).items():
        if not (isinstance(kind, type) and issubclass(kind, ctypes.Structure) and hasattr(kind, "_fields_")):
            continue
        facts["struct", name] = [ctypes.sizeof(kind)]
        for field, _ in kind._fields_:
            facts["field", name, field] = [getattr(kind, field).offset, getattr(kind, field).size]
    return facts


def calls():
    """Wrong things that were seen of calls."""
    info = api.slmt_build_info(struct_size=ctypes.sizeof(api.slmt_build_info))
    context = ctypes.POINTER(api.slmt_context)()
    seen = {
        "version": (api.slmt_version(), api.VERSION.encode()),
        "name of a status": (api.slmt_status_name(api.SLMT_ERR_SCHEMA), b"SLMT_ERR_SCHEMA"),
        "status of a call": (api.slmt_build_describe(None), api.SLMT_ERR_ARGUMENT),
        "status of a filled struct": (api.slmt_build_describe(ctypes.byref(info)), api.SLMT_OK),
        "text in a struct": (info.version, api.VERSION.encode()),
        "number in a struct": (info.abi, api.ABI),
        "array in a struct": (info.backends.split(b", ")[-1], b"reference"),
        "status of a made handle": (api.slmt_context_create(None, ctypes.byref(context)), api.SLMT_OK),
        "a text of a handle": (api.slmt_context_describe(context)[:5], b"cpu: "),
        "a manual": (api.slmt_compare.__doc__.split("(")[0], "slmt_status slmt_compare"),
    }
    api.slmt_context_free(context)
    return [f"{what}: {got}, expected {wanted}" for what, (got, wanted) in seen.items() if got != wanted]


def main():
    c, python = of_c(), of_python()
    wrong = [f"{' '.join(key)}: {c.get(key)} in C, {python.get(key)} in Python"
             for key in sorted(c.keys() | python.keys()) if c.get(key) != python.get(key)] + calls()
    print(*wrong, sep="\n")
    print(f"{len(c)} facts of C, {len(wrong)} wrong in Python")
    return 1 if wrong or not c else 0


sys.exit(main())
