"""Rows of the prediction log, as `millrace models rows NAME --to rows.jsonl` writes them, as the arrays a model takes."""

import contextlib
import json
import os

import numpy
import onnx

TYPES = {
    onnx.TensorProto.FLOAT: numpy.float32,
    onnx.TensorProto.DOUBLE: numpy.float64,
    onnx.TensorProto.INT64: numpy.int64,
    onnx.TensorProto.INT32: numpy.int32,
    onnx.TensorProto.BOOL: numpy.bool_,
}


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def columns_of(model):
    """The columns of the one input, in order, where the model names them."""
    entry = next((one.value for one in model.metadata_props if one.key == "millrace.features"), None)
    return json.loads(entry) if entry else None


def without_zip_maps(model):
    """Takes scikit-learn's ZipMaps off, as the gateway does: the output gives the tensor they are made of. Changes the model; gives the classes by output."""
    classes = {}
    for node in model.graph.node:
        if node.op_type != "ZipMap" or node.domain != "ai.onnx.ml":
            continue
        given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        labels = [one.decode() for one in given.get("classlabels_strings", [])] or list(given.get("classlabels_int64s", []))
        classes[node.output[0]] = labels
        node.op_type, node.domain = "Identity", ""
        del node.attribute[:]
        for value in model.graph.output:
            if value.name == node.output[0]:
                value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, ["N", len(labels) or "classes"]))
    for output, labels in classes.items():
        model.metadata_props.add(key=f"millrace.classes.{output}", value=json.dumps(labels))
    return classes


def inputs_of(model, rows):
    """Name of the input -> array [rows, ...]. Rows that lack a value are left out; a null is NaN."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    columns = columns_of(model)
    kept = {one.name: [] for one in inputs}
    for row in rows:
        values = {one.name: value_of(row, one.name, columns) for one in inputs}
        if all(value is not None for value in values.values()):
            for name, value in values.items():
                kept[name].append(value)
    arrays = {}
    for one in inputs:
        inner = [dim.dim_value or -1 for dim in one.type.tensor_type.shape.dim[1:]]
        array = numpy.array(kept[one.name], dtype=TYPES[one.type.tensor_type.elem_type])
        arrays[one.name] = array.reshape([len(array), *inner])
    return arrays


def value_of(row, name, columns):
    tensors = row.get("inputs") or {}
    if name in tensors:
        value = tensors[name]
        return [nan(one) for one in value] if isinstance(value, list) else nan(value)
    features = row.get("features") or {}
    wanted = columns or [name]
    if any(column not in features for column in wanted):
        return None
    return [nan(features[column]) for column in wanted]


def nan(value):
    return float("nan") if value is None else value


@contextlib.contextmanager
def recorded_run(name, **params):
    """A run of the tracking server at MLFLOW_TRACKING_URI that records the job; without that variable, none. Gives a function that logs a metric."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        yield lambda key, value: print(f"{key}: {value}")
        return
    import mlflow

    with mlflow.start_run(run_name=name) as run:
        mlflow.log_params(params)
        yield mlflow.log_metric
        print(f"run: {run.info.run_id}")
