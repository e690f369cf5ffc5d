# SPDX-License-Identifier: Apache-2.0
"""Times the same jobs by libslmt, PyTorch, ONNX Runtime and OpenVINO in one sitting, and prints a table.

Each figure comes from a process of its own: the median of some runs after one that is not counted. Engines take turns
within each row, so that a machine that gets slower does so for all."""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

import engines

TIMEOUT = 1800
CHECKED = ("synth1", "seq2seq1", "label8", "label3d")


def peak_mb():
    """Of this process since it began; getrusage() counts what its parent had, too."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def measure(engine, job, threads, arithmetic, repeats):
    """The median and the least time of a run, in seconds, as the process for one figure."""
    try:
        once = engines.ENGINES[engine](engines.JOBS[job], threads, arithmetic)
    except engines.Missing as reason:
        return {"missing": str(reason)}
    once()
    times, spent = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        once()
        times.append(time.perf_counter() - start)
        spent.append(time.process_time() - used)
    return {"median": statistics.median(times), "minimum": min(times), "cpu": min(spent), "peak_mb": peak_mb()}


class Busy:
    """Processes that only count, spread evenly over the cores."""

    def __init__(self, count):
        cores = sorted(os.sched_getaffinity(0))
        self.loops = []
        for i in range(count):
            text = f"import os\nos.sched_setaffinity(0, [{cores[i % len(cores)]}])\nwhile os.getppid() == {os.getpid()}:\n"
            self.loops.append(subprocess.Popen([sys.executable, "-c", text + "    for i in range(10**6): pass"]))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for loop in self.loops:
            loop.send_signal(signal.SIGKILL)
            loop.wait()


def figure(engine, job, threads, arithmetic, repeats):
    command = [sys.executable, __file__, "--one", json.dumps([engine, job, threads, arithmetic, repeats])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return {"missing": last}
    return json.loads(done.stdout.splitlines()[-1])


def cell(result, memory):
    if "median" not in result:
        return "-"
    return f"{result['median']:.3f}" + (f" {result['peak_mb']:.0f} MB" if memory else "")


def table(chosen, repeats, rows):
    names, wide = chosen.engines, 18 if chosen.memory else 13
    print(f"{'job':12} {'products':8} {'threads':>7} {'beside':>6}" + "".join(f" {name:>{wide}}" for name in names))
    for beside in chosen.beside:
        for arithmetic in chosen.arithmetic:
            for threads in chosen.threads:
                for job in chosen.jobs:
                    print(f"{job:12} {arithmetic:8} {threads:7} {beside:6}", end="", flush=True)
                    for engine in names:
                        with Busy(beside):
                            result = figure(engine, job, threads, arithmetic, repeats)
                        rows.append({"job": job, "arithmetic": arithmetic, "threads": threads, "beside": beside,
                                     "engine": engine, **result})
                        print(f" {cell(result, chosen.memory):>{wide}}", end="", flush=True)
                    print()
    reasons = {(r["engine"], r["job"], r["arithmetic"], r["missing"]) for r in rows if "missing" in r}
    for engine, job, arithmetic, reason in sorted(reasons):
        print(f"- {engine}, {job}, {arithmetic}: {reason}")


def check(jobs):
    """Both networks make the same image from the same weights."""
    import numpy as np
    import slmt
    import torch

    for name in CHECKED:
        job = engines.JOBS[name]
        if job.network not in {engines.JOBS[chosen].network for chosen in jobs}:
            continue
        model = slmt.Model.create(job.network, job.options, seed=1)
        network, x = engines.network_of(job).eval(), torch.from_numpy(engines.network_images(job))
        module = sys.modules[type(network).__module__]
        module.load(network, model.tensors)
        with torch.inference_mode():
            theirs = (network.labels(x)[1] if job.network == "unet-seg" else network(x)).numpy()
        ours = engines.session_run(model, job, engines.images(job))()
        apart = float(np.abs(ours.reshape(theirs.shape) - theirs).max())
        spread = float(theirs.max() - theirs.min())
        print(f"{job.network}: the same weights make images that differ by {apart:.1e} at most, of a range of {spread:.2f}")
        if not apart < 1e-4 * spread:
            sys.exit(f"{job.network}: the networks are not the same")


def words(known):
    def read(text):
        chosen = text.split(",")
        unknown = [word for word in chosen if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return chosen

    return read


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=words(engines.JOBS), default=list(engines.JOBS))
    parser.add_argument("--engines", type=words(engines.ENGINES), default=list(engines.ENGINES))
    parser.add_argument("--arithmetic", type=words(["float32", "bf16"]), default=["float32"])
    parser.add_argument("--threads", type=numbers, default=[len(os.sched_getaffinity(0))])
    parser.add_argument("--beside", type=numbers, default=[0], help="numbers of busy loops")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="also show the peak memory of each process, in MB")
    parser.add_argument("--json", help="a file for all figures")
    parser.add_argument("--no-check", action="store_true", help="do not compare the networks' images first")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(*json.loads(chosen.one))))
        return
    rows = []
    if not chosen.no_check:
        check(chosen.jobs)
    table(chosen, chosen.repeats, rows)
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
