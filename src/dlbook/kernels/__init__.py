"""The operators of the book as kernels for a GPU, each with a plain PyTorch reference.

Seven functions: :func:`matmul`, :func:`softmax`, :func:`layer_norm`, :func:`cross_entropy`,
:func:`attention`, :func:`lstm` and :func:`conv2d`. On a CUDA tensor, and where Triton is
installed, each runs a kernel written in Triton; everywhere else it runs the reference that stands
in the same file, in a few lines of PyTorch. :func:`path` says which of the two it would be.

Environment variables:

``DLBOOK_KERNELS``
    ``reference`` forces the reference; ``auto``, the default, lets the tensors decide.
``TRITON_INTERPRET``
    ``1``, set before the first import, runs the kernels in Triton's interpreter on the CPU:
    thousands of times slower, and made for tests.
"""

from dlbook.kernels._shared import path
from dlbook.kernels.attention import attention
from dlbook.kernels.conv2d import conv2d
from dlbook.kernels.cross_entropy import cross_entropy
from dlbook.kernels.layer_norm import layer_norm
from dlbook.kernels.lstm import lstm
from dlbook.kernels.matmul import matmul
from dlbook.kernels.softmax import softmax

__all__ = [
    "attention",
    "conv2d",
    "cross_entropy",
    "layer_norm",
    "lstm",
    "matmul",
    "path",
    "softmax",
]
