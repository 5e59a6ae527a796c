import json

import pytest
import torch

from dlbook.kernels import bench


def test_a_benchmark_says_what_it_measured_and_where(tmp_path, capsys):
    path = tmp_path / "kernels.json"
    bench.main(["--op", "softmax", "--json", str(path)])
    found = json.loads(path.read_text(encoding="utf-8"))
    assert {"date", "gpu", "device", "driver", "versions", "path", "ceilings", "rows"} <= set(found)
    assert found["versions"]["torch"] and len(found["date"]) == 10
    assert {row["operator"] for row in found["rows"]} == {"softmax"}
    assert {row["pass"] for row in found["rows"]} == {"forward", "both"}
    assert all(row["ms"] > 0 and row["PyTorch ms"] > 0 for row in found["rows"])
    for row in found["rows"]:
        assert row["ratio"] == pytest.approx(row["PyTorch ms"] / row["ms"], rel=0.02)
    printed = capsys.readouterr().out
    if not found["gpu"]:
        assert "No GPU" in printed and "PyTorch reference" in printed
    assert "PyTorch ms" in printed


def test_a_wrong_result_is_not_timed(monkeypatch):
    monkeypatch.setattr(bench.kernels, "softmax", lambda x: torch.softmax(x, 0))
    with pytest.raises(ArithmeticError, match="softmax 256 × 64 forward: differs by"):
        bench.measure(["softmax"])


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match="operators has 'sofmax': expected some of matmul"):
        bench.measure(["sofmax"])


@pytest.mark.parametrize("step", bench.STEPS)
def test_the_steps_of_the_matrix_product_agree(step):
    a, b = torch.rand(2, 5, 5).numpy()
    assert step(a, b) == pytest.approx(a @ b)
