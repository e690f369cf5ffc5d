# SPDX-License-Identifier: Apache-2.0
"""The Python of README.md runs as it stands there, from top to bottom."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
README = (HERE.parent / "README.md").read_text()


def test_every_line_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(HERE / "fixtures/zip_nested.pth", "G.pth")
    said: dict[str, Any] = {}
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE))
    for block in blocks:
        line = README[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], "README.md", "exec"), said)
    assert len(blocks) == README.count("```python")
    out = capsys.readouterr().out
    for text in ("absent.h5", "SLMT_ERR_NOT_FOUND", "3 of 8", "enough", "seq2seq - ", "consistency"):
        assert text in out
    assert "4 of 8" not in out
    assert [one.shape for one in said["made"]] == [(8, 128, 128)] * 2 and np.array_equal(said["made"][1], said["t2"])
    assert Path("t2.nii.gz").exists() and "layer.weight" in said["tensors"]
