"""What all tests share: one thread, and the folder of the tools on the path."""

import os
import sys
from pathlib import Path

# Set before anything imports torch: another number of threads gives other digits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TOOLS = str(Path(__file__).resolve().parents[1] / "tools")
if TOOLS not in sys.path:
    sys.path.insert(0, TOOLS)

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))
