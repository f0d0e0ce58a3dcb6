# ruff: noqa: F401
"""What the fork server loads once, for all its copies: most of what a short `mien train` takes.

torch's exporter reads its translations anew for each file, which takes it a second: here it does so once.
"""

import functools
import logging

import onnxscript.function_libs.torch_lib.ops
import torch
import torch._dynamo
import torch._functorch.aot_autograd
import torch.export._trace
import torch.onnx._internal.exporter._core
from torch.onnx._internal.exporter._registration import ONNXRegistry

import mien.evaluation.figures
import mien.experiment
from mien.export import OPSET

logging.disable(logging.CRITICAL)
ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
ONNXRegistry.from_torchlib(opset_version=OPSET)
logging.disable(logging.NOTSET)
