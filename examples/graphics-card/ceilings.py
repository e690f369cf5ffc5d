# SPDX-License-Identifier: Apache-2.0
"""What the card can do at most: bytes copied inside it and products of large matrices, by PyTorch. check.py runs it."""

import json
import os
import time

EMULATE = bool(os.environ.get("SLMT_EMULATE"))  # then the processor's, of small arrays
DEVICE = "cpu" if EMULATE else "cuda"
NUMBERS, SIDE = (1 << 16, 64) if EMULATE else (1 << 28, 8192)


def seconds(run, repeats=10):
    for _ in range(3):
        run()
    wait()
    begin = time.perf_counter()
    for _ in range(repeats):
        run()
    wait()
    return (time.perf_counter() - begin) / repeats


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def copied():
    a = torch.rand(NUMBERS, device=DEVICE)
    b = torch.empty_like(a)
    return 2 * 4 * NUMBERS / seconds(lambda: b.copy_(a)) / 1e9


def multiplied(kind, rough):
    torch.set_float32_matmul_precision("high" if rough else "highest")
    a, b = (torch.rand(SIDE, SIDE, device=DEVICE, dtype=kind) for _ in range(2))
    return 2 * SIDE**3 / seconds(lambda: a @ b) / 1e12


def main():
    print(json.dumps({
        "copy GB/s": round(copied()),
        "float32 TFLOP/s": round(multiplied(torch.float32, False), 1),
        "tf32 TFLOP/s": round(multiplied(torch.float32, True), 1),
        "bf16 TFLOP/s": round(multiplied(torch.bfloat16, True), 1),
    }))


if __name__ == "__main__":
    try:
        import torch
    except ImportError:
        print(json.dumps({"left out": "there is no PyTorch"}))
    else:
        main()
