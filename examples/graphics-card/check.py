# SPDX-License-Identifier: Apache-2.0
"""Checks and times the cuda backend on this machine's graphics card, in at most eight minutes: python3 check.py [--emulate]

It lies in the folder that examples/graphics-card/pack makes. Each part runs in processes of its own and within its own time;
one that fails does not end the others. The end is a table and a JSON file. --emulate does it all without a card, with small
networks, to see that it works."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SECONDS, SLOWER = 480, 8  # SLOWER: what an emulation may take
ENGINES = ("libslmt", "cuBLASLt", "PyTorch", "compiled")  # libslmt with its own products, and with the library's
ARITHMETICS = ("float32", "tf32", "bf16")
FAMILIES = ("movement", "elementwise", "reduce", "product", "norm", "labels", "random", "pool", "conv", "space", "attention",
            "adam", "contract")
SANITIZERS = ("memcheck", "racecheck", "initcheck")


class LeftOut(Exception):
    """A part that this machine cannot run, and why."""


class Failed(Exception):
    """What a part found wrong, and the figures that it had by then."""

    def __init__(self, message, figures=None):
        super().__init__(message)
        self.figures = figures


class TookLonger(Failed):
    """A process that was ended, and what it had printed."""

    def __init__(self, message, text):
        super().__init__(message)
        self.text = text


class Machine:
    """How the parts call programs: with the folder's libraries, in processes that end in time."""

    def __init__(self, emulate, deadline):
        self.emulate, self.deadline, self.limit = emulate, deadline, deadline
        self.plugin = HERE / ("emulated" if emulate else "lib") / "libslmt_cuda.so"
        self.python = dict(os.environ, SLMT_LIBRARY=str(HERE / "lib/libslmt.so.0"), SLMT_PLUGIN=str(self.plugin),
                           SLMT_EMULATE="1" if emulate else "", PYTHONDONTWRITEBYTECODE="1",
                           PYTHONPATH=os.pathsep.join([str(HERE / "python"), str(HERE / "peers")]))
        self.python.setdefault("TORCHINDUCTOR_CACHE_DIR", str(HERE / "inductor"))

    def use(self, plugin):
        self.plugin, self.python["SLMT_PLUGIN"] = plugin, str(plugin)

    def call(self, command, environment=None, seconds=None):
        """Its output. A process that takes too long is ended with all that it started."""
        left = min(self.limit - time.monotonic(), seconds or self.limit)
        if left <= 1:
            raise Failed("no time was left")
        process = subprocess.Popen([str(word) for word in command], env=environment, text=True, start_new_session=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            text = process.communicate(timeout=left)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise TookLonger(f"{pathlib.Path(command[0]).name} took longer than {left:.0f} s", process.communicate()[0]) from None
        if process.returncode:
            raise Failed("\n".join(text.strip().splitlines()[-12:]) or f"exit code {process.returncode}")
        return text

    def json_of(self, script, *arguments, seconds=None):
        """What a script of this folder prints as its last line."""
        text = self.call([sys.executable, HERE / script, *arguments], self.python, seconds)
        return json.loads(text.strip().splitlines()[-1])


# ---- the parts ----


def build(machine):
    """Compiles the plug-in here, where the packed one does not run: for an older driver, or a card of another kind."""
    try:
        machine.json_of("jobs.py", "compute")
        raise LeftOut("the packed plug-in runs here")
    except Failed as refused:
        nvcc = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
        if machine.emulate or not nvcc:
            raise Failed(f"{refused}\nand there is no nvcc to compile another plug-in") from None
        machine.use(compiled(machine, nvcc))
    machine.json_of("jobs.py", "compute")
    return {"plug-in": str(machine.plugin), "instead": str(refused)}


def kind_of_card(machine):
    try:
        text = machine.call(["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"])
    except (Failed, OSError):
        text = ""
    found = re.match(r"(\d+)\.(\d+)", text)
    return f"sm_{found[1]}{found[2]}" if found else "sm_90"


def compiled(machine, nvcc):
    """The plug-in, all files of which are compiled at once: see backends/cuda/CMakeLists.txt."""
    source, made = HERE / "source", HERE / "built"
    made.mkdir(exist_ok=True)
    files = sorted((source / "backends/cuda").glob("*.cu")) + [source / "backends/cuda/entry.cc"]
    options = ["-std=c++20", "-O3", "-DNDEBUG", f"-arch={kind_of_card(machine)}", "-Xcompiler=-fPIC,-fvisibility=hidden", "-I", source]

    def compile_one(file):
        exact = ["--fmad=false"] if file.name == "random.cu" else []
        machine.call([nvcc, *options, *exact, "-x", "cu", "-c", file, "-o", made / f"{file.name}.o"])
        return made / f"{file.name}.o"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, files))
    plugin = made / "libslmt_cuda.so"
    machine.call([nvcc, "-shared", "-o", plugin, *objects, source / "libslmt_reference.a", "-Xlinker", "--exclude-libs,ALL", "-ldl", "-lm"])
    return plugin


def card(machine):
    found = machine.json_of("jobs.py", "describe")
    if shutil.which("nvidia-smi") and not machine.emulate:
        query = "name,driver_version,memory.total,clocks.max.sm,power.limit"
        found["nvidia-smi"] = machine.call(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]).strip()
    return found


def ceilings(machine):
    found = machine.json_of("ceilings.py")
    if "left out" in found:
        raise LeftOut(found["left out"])
    return found


def conformance(machine, arithmetic):
    environment = dict(os.environ, SLMT_TEST_CUDA=str(machine.plugin))
    if arithmetic != "float32":
        environment["SLMT_TEST_CUDA_OPTIONS"] = arithmetic
    if machine.emulate:
        environment["SLMT_TEST_CUDA_LARGEST"] = "3000"
    families = FAMILIES if arithmetic == "float32" else ("product", "conv")
    with concurrent.futures.ThreadPoolExecutor(1 if machine.emulate else os.cpu_count()) as pool:
        list(pool.map(lambda family: machine.call([HERE / "bin" / f"test_backend_{family}"], environment), families))
    return {"families": len(families)}


def sanitizer(machine):
    if machine.emulate or not shutil.which("compute-sanitizer"):
        raise LeftOut("there is no compute-sanitizer" if not machine.emulate else "the emulation checks by itself")
    for tool in SANITIZERS:
        machine.call(["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", HERE / "bin/test_parity", "--cuda",
                      machine.plugin, HERE / "parity/nano.h5"], os.environ)
    return {"tools": list(SANITIZERS)}


def parity(machine, name):
    file = HERE / "parity" / f"{name}.h5"
    if machine.emulate and name != "nano":
        raise LeftOut("too large for the emulation")
    if not file.exists():
        raise LeftOut("its reference results were not packed")
    text = machine.call([HERE / "bin/test_parity", "--cuda", machine.plugin, file])
    return {"worst": next((line.strip() for line in text.splitlines() if "worst" in line), "")}


def bits(machine):
    return machine.json_of("bits.py")


def jobs(machine, arithmetic):
    """Milliseconds by engine and job."""
    figures = {}
    for engine in ENGINES:
        try:
            figures[engine] = machine.json_of("jobs.py", "time", engine, arithmetic, seconds=None if machine.emulate else 30)
        except TookLonger as problem: # the figures that it had by then
            lines = problem.text.strip().splitlines()
            figures[engine] = {**(json.loads(lines[-1]) if lines else {}), "ended": str(problem)}
        except Failed as problem:
            figures[engine] = {"failed": str(problem)}
    for word in ("failed", "ended"):
        if word in figures["libslmt"]:
            raise Failed(figures["libslmt"][word], figures)
    return figures


# Name, seconds, function, arguments. All limits together are the eight minutes; what compiles another plug-in takes its time
# from the last ones.
PARTS = [("build", 90, build, ()), ("card", 15, card, ()), ("ceilings", 25, ceilings, ())]
PARTS += [(f"conformance {a}", s, conformance, (a,)) for a, s in zip(ARITHMETICS, (45, 20, 20))]
PARTS += [(f"parity {n}", s, parity, (n,)) for n, s in (("nano", 10), ("tiny", 15), ("base", 40))]
PARTS += [("bits", 50, bits, ())]
PARTS += [(f"jobs {a}", 70, jobs, (a,)) for a in ARITHMETICS]
PARTS += [("sanitizer", 30, sanitizer, ())]


def run(machine, part):
    name, seconds, function, arguments = part
    begin = time.monotonic()
    machine.limit = min(machine.deadline, begin + seconds * (SLOWER if machine.emulate else 1))
    row = {"part": name}
    try:
        row.update(state="passed", figures=function(machine, *arguments))
    except LeftOut as reason:
        row.update(state="left out", reason=str(reason))
    except (Failed, OSError, ValueError) as reason:
        row.update(state="failed", reason=str(reason))
        if getattr(reason, "figures", None):
            row["figures"] = reason.figures
    row["seconds"] = round(time.monotonic() - begin, 1)
    print(f"{name:22} {row['state']:9} {row['seconds']:6.1f} s", flush=True)
    for line in row.get("reason", "").splitlines():
        print(f"    {line}", flush=True)
    return row


# ---- the table ----


def milliseconds(figures, engine, job):
    value = figures.get(engine, {}).get(job)
    return f"{value:.2f}" if isinstance(value, float) else "-"


def table(rows):
    print(f"\n{'job':13} {'products':9}" + "".join(f" {engine:>9}" for engine in ENGINES) + "   ms")
    for row in rows:
        if not row["part"].startswith("jobs ") or "figures" not in row:
            continue
        figures = row["figures"]
        for job in dict.fromkeys(job for jobs in figures.values() for job, value in jobs.items() if isinstance(value, float)):
            cells = " ".join(f"{milliseconds(figures, engine, job):>9}" for engine in ENGINES)
            print(f"{job:13} {row['part'][5:]:9} {cells}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emulate", action="store_true", help="without a card, with small networks")
    parser.add_argument("--only", help="the parts whose names begin so")
    parser.add_argument("--out", default="graphics-card.json", help="the JSON file")
    chosen = parser.parse_args()
    machine = Machine(chosen.emulate, time.monotonic() + SECONDS * (SLOWER if chosen.emulate else 1))
    if not machine.plugin.exists():
        sys.exit(f"there is no {machine.plugin}: pack was run without nvcc" if not chosen.emulate else "pack is not complete")
    warming = None
    if not chosen.only: # PyTorch compiles meanwhile; its cache keeps the result
        warming = subprocess.Popen([sys.executable, str(HERE / "jobs.py"), "warm"], env=machine.python, start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = []
    for part in PARTS:
        if chosen.only and not part[0].startswith(chosen.only):
            continue
        if warming and part[0].startswith("jobs "): # nothing else runs beside what is timed
            try:
                behind = sum(p[1] for p in PARTS if p[0].startswith(("jobs ", "sanitizer"))) * (SLOWER if chosen.emulate else 1)
                warming.wait(timeout=max(0, machine.deadline - time.monotonic() - behind))
            except subprocess.TimeoutExpired:
                os.killpg(warming.pid, signal.SIGKILL)
                warming.wait()
            warming = None
        rows.append(run(machine, part))
    table(rows)
    with open(chosen.out, "w") as file:
        json.dump({"emulated": chosen.emulate, "parts": rows}, file, indent=1)
    failed = [row["part"] for row in rows if row["state"] == "failed"]
    print(f"\n{len(rows) - len(failed)} of {len(rows)} parts have not failed; all figures are in {chosen.out}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
