# SPDX-License-Identifier: Apache-2.0
"""What the card can do at most: bytes copied inside it and products of large matrices, by PyTorch. check.py runs it."""

import json

import torch


def seconds(run, repeats=10):
    for _ in range(3):
        run()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1000 / repeats


def copied(n=1 << 28):
    a = torch.rand(n, device="cuda")
    b = torch.empty_like(a)
    return 2 * 4 * n / seconds(lambda: b.copy_(a)) / 1e9


def multiplied(kind, rough, n=8192):
    torch.backends.cuda.matmul.allow_tf32 = rough
    a, b = (torch.rand(n, n, device="cuda", dtype=kind) for _ in range(2))
    return 2 * n**3 / seconds(lambda: a @ b) / 1e12


def main():
    print(json.dumps({
        "copy GB/s": round(copied()),
        "float32 TFLOP/s": round(multiplied(torch.float32, False), 1),
        "tf32 TFLOP/s": round(multiplied(torch.float32, True), 1),
        "bf16 TFLOP/s": round(multiplied(torch.bfloat16, True), 1),
    }))


if __name__ == "__main__":
    main()
