"""Static 8-bit quantization, with the ranges of activations taken from rows the model was asked for.

    python static_qdq.py model.onnx rows.jsonl quantized.onnx

For networks with convolutions, and where the scale of an activation may not depend on who else is in the batch. What comes out goes through the gate:

    millrace models optimize NAME@VERSION --candidate quantized.onnx --method static-qdq --run RUN
"""

import argparse
import os

import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from logged_rows import inputs_of, read_lines, recorded_run

BATCH = 32


class LoggedRows(CalibrationDataReader):
    def __init__(self, arrays):
        self.arrays = arrays
        self.at = 0

    def get_next(self):
        batch = {name: array[self.at : self.at + BATCH] for name, array in self.arrays.items()}
        self.at += BATCH
        return batch if len(next(iter(batch.values()))) > 0 else None


def main():
    parser = argparse.ArgumentParser(description="Static 8-bit quantization with logged rows.")
    parser.add_argument("model")
    parser.add_argument("rows")
    parser.add_argument("out")
    parser.add_argument("--most", type=int, default=1000, help="rows to calibrate with at most")
    parser.add_argument("--per-channel", action="store_true")
    parser.add_argument("--method", choices=["MinMax", "Entropy", "Percentile"], default="MinMax", help="how ranges are taken")
    options = parser.parse_args()
    arrays = inputs_of(onnx.load(options.model), read_lines(options.rows)[-options.most :])
    count = len(next(iter(arrays.values())))
    if count == 0:
        raise SystemExit(f"no row of {options.rows} has all that {options.model} takes")
    params = {"rows": count, "per_channel": options.per_channel, "calibration": options.method}
    with recorded_run("static-qdq", **params) as log_metric:
        quantize_static(
            options.model,
            options.out,
            LoggedRows(arrays),
            quant_format=QuantFormat.QDQ,
            per_channel=options.per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[options.method],
        )
        log_metric("size_ratio", os.path.getsize(options.out) / os.path.getsize(options.model))


if __name__ == "__main__":
    main()
