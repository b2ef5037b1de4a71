"""Quantizes a model as Python does: `dynamic_int8.py model.onnx out.onnx [per-channel]`."""

import sys

from onnxruntime.quantization import QuantType, quantize_dynamic

quantize_dynamic(sys.argv[1], sys.argv[2], weight_type=QuantType.QInt8, per_channel="per-channel" in sys.argv[3:])
