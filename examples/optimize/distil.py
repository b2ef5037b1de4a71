"""Distillation: a small network learns what a large model, or an ensemble of trees, has answered.

    python distil.py teacher.onnx rows.jsonl student.onnx --hidden 32

The rows and the teacher's answers come from the prediction log, so no training data is needed and the student is good where it is asked. It takes a teacher with one
matrix of floats in, and one of probabilities [N, classes], scikit-learn's ZipMap of them or values [N, 1] out, with or without a label [N]. What comes out goes through the gate:

    millrace models optimize NAME@VERSION --candidate student.onnx --method distillation --run RUN
"""

import argparse
from collections import Counter

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from logged_rows import inputs_of, read_lines, recorded_run, without_zip_maps


def softmax(values):
    powers = numpy.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def train(x, y, hidden, is_distribution, epochs, seed):
    """Two layers, by Adam: cross-entropy with the teacher's probabilities, or squared error of its values."""
    random = numpy.random.default_rng(seed)
    sizes = [x.shape[1], hidden, y.shape[1]]
    weights = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        weights += [random.normal(0, numpy.sqrt(2 / inputs), (inputs, outputs)), numpy.zeros(outputs)]
    moments = [(numpy.zeros_like(one), numpy.zeros_like(one)) for one in weights]
    step = 0
    for _ in range(epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x), 64):
            rows = order[start : start + 64]
            given = numpy.maximum(0, x[rows] @ weights[0] + weights[1])
            scores = given @ weights[2] + weights[3]
            error = ((softmax(scores) if is_distribution else scores) - y[rows]) / len(rows)
            back = (error @ weights[2].T) * (given > 0)
            slopes = [x[rows].T @ back, back.sum(axis=0), given.T @ error, error.sum(axis=0)]
            step += 1
            for one, slope, (first, second) in zip(weights, slopes, moments):
                first[:] = 0.9 * first + 0.1 * slope
                second[:] = 0.999 * second + 0.001 * slope**2
                one -= 3e-3 * (first / (1 - 0.9**step)) / (numpy.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights


def graph_of(teacher, source, scores, label, mean, deviation, weights, is_distribution, classes):
    """The student under the teacher's names; standardization is inside, so it cannot differ between training and serving."""
    constant = lambda name, value: numpy_helper.from_array(numpy.asarray(value), name)
    float32 = numpy.float32
    constants = [constant("mean", mean.astype(float32)), constant("deviation", deviation.astype(float32))]
    constants += [constant(name, one.astype(float32)) for name, one in zip(["w1", "b1", "w2", "b2"], weights)]
    last = "logits" if is_distribution else scores.name
    nodes = [
        helper.make_node("Sub", [source.name, "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["standard"]),
        helper.make_node("Gemm", ["standard", "w1", "b1"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["given"]),
        helper.make_node("Gemm", ["given", "w2", "b2"], [last]),
    ]
    if is_distribution:
        nodes.append(helper.make_node("Softmax", [last], [scores.name], axis=1))
    if label is not None:
        is_text = label.type.tensor_type.elem_type == TensorProto.STRING
        constants.append(constant("classes", numpy.array(classes, dtype=object if is_text else numpy.int64)))
        nodes.append(helper.make_node("ArgMax", [last], ["place"], axis=1, keepdims=0))
        nodes.append(helper.make_node("Gather", ["classes", "place"], [label.name]))
    graph = helper.make_graph(nodes, "student", [source], list(teacher.graph.output), constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="distil.py")
    model.metadata_props.extend(teacher.metadata_props)
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description="Distil a model into a small network.")
    parser.add_argument("teacher")
    parser.add_argument("rows")
    parser.add_argument("out")
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    teacher = onnx.load(options.teacher)
    known = without_zip_maps(teacher)
    outputs = {one.name: one for one in teacher.graph.output}
    kind = lambda one: one.type.tensor_type.elem_type
    scores = next((one for one in outputs.values() if kind(one) == TensorProto.FLOAT), None)
    label = next((one for one in outputs.values() if kind(one) in (TensorProto.INT64, TensorProto.STRING)), None)
    if scores is None or len(outputs) != (1 if label is None else 2):
        raise SystemExit("the teacher has other outputs than floats and a label; write a student for it by hand")
    rows = [row for row in read_lines(options.rows) if (row.get("outputs") or {}).get(scores.name) is not None]
    arrays = inputs_of(teacher, rows)
    [(name, x)] = arrays.items()
    if len(x) != len(rows) or len(x) < 100:
        raise SystemExit(f"{len(x)} of {len(rows)} rows have all that the teacher takes; at least 100, and all of them, are needed")
    source = next(one for one in teacher.graph.input if one.name == name)
    y = numpy.array([numpy.atleast_1d(row["outputs"][scores.name]) for row in rows], dtype=float)
    is_distribution = y.shape[1] > 1 and y.min() >= 0 and numpy.allclose(y.sum(axis=1), 1, atol=1e-3)
    place = y.argmax(axis=1)
    classes = known.get(scores.name)
    if label is not None and not classes:
        seen = [Counter(row["outputs"][label.name] for row, at in zip(rows, place) if at == one) for one in range(y.shape[1])]
        # A class that was never the teacher's answer has no name in the rows.
        classes = [max(counts, key=counts.get) if counts else (str(one) if kind(label) == TensorProto.STRING else one) for one, counts in enumerate(seen)]
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1
    held = len(x) // 5
    params = {"rows": len(x), "hidden": options.hidden, "epochs": options.epochs, "seed": options.seed}
    with recorded_run("distillation", **params) as log_metric:
        standard = (x - mean) / deviation
        weights = train(standard[:-held], y[:-held], options.hidden, is_distribution, options.epochs, options.seed)
        told = numpy.maximum(0, standard[-held:] @ weights[0] + weights[1]) @ weights[2] + weights[3]
        if y.shape[1] > 1:
            log_metric("held_out_agreement", float((told.argmax(axis=1) == place[-held:]).mean()))
        else:
            log_metric("held_out_error", float(numpy.abs(told - y[-held:]).mean()))
        onnx.save(graph_of(teacher, source, scores, label, mean, deviation, weights, is_distribution, classes), options.out)


if __name__ == "__main__":
    main()
