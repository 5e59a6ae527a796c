"""The benchmarks run, and choose well. What they measure is the machine's."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import bench
import pytest
from booklib import ROOT


def test_the_engine_is_measured_beside_the_others(tmp_path):
    output = tmp_path / "engine.json"
    command = [sys.executable, ROOT / "tools" / "bench_autodiff.py", "--seconds=0.01"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    shown = subprocess.run(
        [*command, f"--json={output}"], check=True, capture_output=True, text=True, env=environment
    ).stdout
    found = json.loads(output.read_text("utf-8"))
    assert all(title in shown for title in found)
    training, memory, chain = found.values()
    assert [row["network"] for row in training[:3]] == [row["network"] for row in memory]
    assert all(row["/ PyTorch"] > 0 for row in training)
    assert chain[-1]["operations"] == 10**6


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [("1.0", "0.9", "Haswell"), ("1.0", "0.99", None), ("1.0", None, None)],
    ids=["faster", "as fast", "illegal instruction"],
)
def test_other_kernels_are_taken_only_where_they_are_faster(own, other, expected, monkeypatch):
    def run(command, env, **options):
        seconds = other if "OPENBLAS_CORETYPE" in env else own
        return SimpleNamespace(returncode=-4 if seconds is None else 0, stdout=seconds)

    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(bench.subprocess, "run", run)
    assert bench.faster_kernels() == expected
