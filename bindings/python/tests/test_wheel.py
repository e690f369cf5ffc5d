# SPDX-License-Identifier: Apache-2.0
"""The installed package: which library it brings, and that its HDF5 does not meet another one in the process."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import slmt
from slmt import _library

LIBRARY = Path(slmt.__file__).with_name(_library.NAME)


def test_the_package_brings_its_library_and_takes_it() -> None:
    assert LIBRARY.exists() and _library.path() == str(LIBRARY)
    assert {path.name for path in (LIBRARY.parent / "licenses").iterdir()} >= {"libhdf5.txt", "libaec.txt"}


def test_a_library_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    environment = {**os.environ, "SLMT_LIBRARY": str(tmp_path / "absent.so")}
    run = subprocess.run([sys.executable, "-c", "import slmt"], env=environment, capture_output=True, text=True)
    assert run.returncode != 0 and "ImportError: libslmt cannot be loaded" in run.stderr and "absent.so" in run.stderr


def test_the_library_shows_its_own_functions_alone_and_takes_no_hdf5() -> None:
    lines = subprocess.run(["nm", "-D", LIBRARY], capture_output=True, text=True, check=True).stdout.splitlines()
    symbols = [line.split()[-2:] for line in lines]
    shown = {name for kind, name in symbols if kind in "TDBRVWiu"}
    assert "slmt_version@@SLMT_1" in shown
    assert {name for name in shown if not name.startswith("slmt_") and name != "SLMT_1"} == set()
    assert [name for _, name in symbols if name.startswith(("H5", "SZ_", "aec_"))] == []


STEPS = {
    "slmt": """
        import slmt
        model = slmt.Model.create(preset="tiny", options={"depth": 1, "decoder_depth": 1})
        model.save("slmt.h5")
        assert slmt.Model.load("slmt.h5").options == model.options
    """,
    "h5py": """
        import h5py, numpy
        with h5py.File("h5py.h5", "w") as file:
            file.create_dataset("x", data=numpy.arange(1000), compression="gzip")
        with h5py.File("h5py.h5") as file:
            assert file["x"][999] == 999
    """,
    "netCDF4": """
        import netCDF4, numpy
        with netCDF4.Dataset("netcdf.nc", "w") as file:
            file.createDimension("i", 10)
            file.createVariable("x", "f4", ("i",), zlib=True)[:] = numpy.arange(10)
        with netCDF4.Dataset("netcdf.nc") as file:
            assert file["x"][9] == 9
    """,
}


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids="-".join)
def test_hdf5_of_three_packages_in_one_process(order: tuple[str, ...], tmp_path: Path) -> None:
    """Each writes and reads while the others are loaded, and h5py reads what libslmt wrote."""
    imports = "\n".join(f"import {name}" for name in order)
    steps = [f"def use_{name}():{STEPS[name]}" for name in order]
    calls = [f"use_{name}()" for name in order] * 2
    script = "\n".join(
        [imports, *steps, *calls, "import h5py", "assert len(h5py.File('slmt.h5')) > 0", "print('done')"]
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, "done"), run.stderr
