"""Every kernel in Triton's interpreter on the CPU, each operator in a process of its own.

``TRITON_INTERPRET`` has to be set before Triton is imported, and this process may have done that.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "interpreted"
OPERATORS = sorted(path.stem.removeprefix("check_") for path in FOLDER.glob("check_*.py"))


def test_there_is_a_check_of_every_operator():
    from dlbook import kernels

    assert sorted(set(kernels.__all__) - {"path"}) == OPERATORS


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="Triton is not installed (it is for Linux on x86-64), so there is no interpreter",
)
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_kernels_are_right_in_the_interpreter(operator):
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
    command += ["-W", "ignore::RuntimeWarning", str(FOLDER / f"check_{operator}.py")]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("DLBOOK_KERNELS", None)
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    if "only 0-dimensional arrays can be converted" in answer.stdout:
        pytest.skip("the interpreter of this version of Triton needs an older NumPy")
    assert answer.returncode == 0, answer.stdout[-8000:] + answer.stderr[-2000:]
    assert " skipped" not in answer.stdout.splitlines()[-1]
