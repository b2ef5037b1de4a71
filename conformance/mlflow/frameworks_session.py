"""Autologging, models and evaluation with the real frameworks, through MLflow's own client.

Run as: frameworks_session.py <tracking uri>. Works with MLflow 2.9 and 3.
"""

import sys
import uuid
import warnings

from checks import check, done, until

import mlflow
import numpy as np
import pandas as pd
import requests

warnings.filterwarnings("ignore")
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
IS_3 = int(mlflow.__version__.split(".")[0]) >= 3
NAME = f"frameworks-{uuid.uuid4().hex[:8]}"
experiment = mlflow.set_experiment(NAME)

random = np.random.default_rng(7)
X = pd.DataFrame(random.normal(size=(200, 3)).astype(np.float32), columns=["distance", "wind", "load"])
y = (X["distance"] + 0.5 * X["wind"] + random.normal(scale=0.3, size=200) > 0).astype(int)


def models_of(run_id):
    """Paths of the models a run has logged: of its own artifacts in MLflow 2, logged models in MLflow 3."""
    if not IS_3:
        return [artifact.path for artifact in client.list_artifacts(run_id) if artifact.path == "model"]
    return [output.model_id for output in client.get_run(run_id).outputs.model_outputs]


# Autologging
mlflow.autolog(silent=True)

from sklearn.linear_model import LogisticRegression  # noqa: E402

with mlflow.start_run(run_name="sklearn") as active:
    fitted = LogisticRegression(C=0.5).fit(X, y)
run = client.get_run(active.info.run_id)
check("scikit-learn's params are logged", run.data.params["C"] == "0.5")
check("its training metrics are logged", 0.8 < run.data.metrics["training_accuracy_score"] <= 1)
check("its estimator is named", run.data.tags["estimator_name"] == "LogisticRegression")
check("its model is logged", len(models_of(active.info.run_id)) == 1)
check("the data it was trained on is an input", len(run.inputs.dataset_inputs) == 1)

import lightgbm  # noqa: E402

with mlflow.start_run(run_name="lightgbm") as active:
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_leaves": 4},
        lightgbm.Dataset(X, label=y),
        num_boost_round=5,
        valid_sets=[lightgbm.Dataset(X, label=y)],
        valid_names=["valid"],
    )
run = client.get_run(active.info.run_id)
check("LightGBM's params are logged", run.data.params["num_leaves"] == "4")
losses = client.get_metric_history(active.info.run_id, next(key for key in run.data.metrics if key.startswith("valid")))
check("its metric has a point for each round", [point.step for point in losses] == [0, 1, 2, 3, 4])
check("its model is logged", len(models_of(active.info.run_id)) == 1)

import xgboost  # noqa: E402

with mlflow.start_run(run_name="xgboost") as active:
    data = xgboost.DMatrix(X, label=y)
    xgboost.train({"objective": "binary:logistic", "max_depth": 2}, data, num_boost_round=5, evals=[(data, "train")], verbose_eval=False)
run = client.get_run(active.info.run_id)
check("XGBoost's params are logged", run.data.params["max_depth"] == "2")
check("its metric is logged", 0 < run.data.metrics["train-logloss"] < 0.7)
check("its model is logged", len(models_of(active.info.run_id)) == 1)
mlflow.autolog(disable=True)

# A model logged by hand, registered, given an alias, loaded
where = {"name": "model"} if IS_3 else {"artifact_path": "model"}
with mlflow.start_run(run_name="by hand") as active:
    logged = mlflow.sklearn.log_model(
        fitted, **where, input_example=X[:2], registered_model_name=NAME, pip_requirements=["scikit-learn"], code_paths=None
    )
version = client.search_model_versions(f"name = '{NAME}'")[0]
check("log_model registers a version", str(version.version) == "1" and version.run_id == active.info.run_id)
client.set_registered_model_alias(NAME, "champion", version.version)
expected = fitted.predict(X[:20])
for uri in [logged.model_uri, f"models:/{NAME}@champion", f"models:/{NAME}/1", f"runs:/{active.info.run_id}/model"]:
    check(f"{uri.split('/')[0]} {uri[-9:]} is loaded and predicts the same", (mlflow.sklearn.load_model(uri).predict(X[:20]) == expected).all())
signature = mlflow.models.get_model_info(f"models:/{NAME}@champion").signature
check("its signature is read back", [column.name for column in signature.inputs.inputs] == ["distance", "wind", "load"])

# The same model as ONNX, which is what the gateway serves
import onnxruntime  # noqa: E402
from skl2onnx import to_onnx  # noqa: E402

graph = to_onnx(fitted, X[:1].to_numpy(), options={"zipmap": False}, target_opset=17)
with mlflow.start_run(run_name="onnx") as active:
    mlflow.onnx.log_model(graph, **where, registered_model_name=f"{NAME}-onnx", pip_requirements=["onnxruntime"])
back = mlflow.onnx.load_model(f"models:/{NAME}-onnx/1")
session = onnxruntime.InferenceSession(back.SerializeToString(), providers=["CPUExecutionProvider"])
label = session.run(None, {session.get_inputs()[0].name: X[:20].to_numpy()})[0]
check("an ONNX model is logged, loaded and predicts the same", (label == expected).all())


def infer(name):
    body = {"inputs": [{"name": session.get_inputs()[0].name, "shape": [20, 3], "datatype": "FP32", "data": X[:20].to_numpy().ravel().tolist()}]}
    return requests.post(f"{sys.argv[1]}/v2/models/{name}/versions/1/infer", json=body, timeout=30)


until("the gateway serves it", lambda: infer(f"{NAME}-onnx").status_code == 200)
outputs = {output["name"]: output["data"] for output in infer(f"{NAME}-onnx").json()["outputs"]}
check("and predicts the same", outputs["label"] == expected.tolist())
refusal = infer(NAME)
check("of a pickle it says how to mend it", refusal.status_code >= 400 and "skl2onnx.to_onnx" in refusal.text and "mlflow.onnx.log_model" in refusal.text)

# Boosted trees on the same path, as docs/how-to/serve-a-python-model.md has it
from onnxmltools import convert_lightgbm, convert_xgboost  # noqa: E402
from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: E402

matrix = X.to_numpy()
trees = xgboost.train({"objective": "binary:logistic", "max_depth": 2}, xgboost.DMatrix(matrix, label=y), num_boost_round=5)
types = [("input", FloatTensorType([None, 3]))]
for kind, graph, probability in [
    ("LightGBM", convert_lightgbm(booster, initial_types=types, zipmap=False), booster.predict(X[:20])),
    ("XGBoost", convert_xgboost(trees, initial_types=types), trees.predict(xgboost.DMatrix(matrix[:20]))),
]:
    with mlflow.start_run(run_name=f"{kind} as ONNX"):
        mlflow.onnx.log_model(graph, **where, registered_model_name=f"{NAME}-{kind}", pip_requirements=["onnxruntime"])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    until(f"the gateway serves {kind}", lambda kind=kind: infer(f"{NAME}-{kind}").status_code == 200)
    served = {output["name"]: output["data"] for output in infer(f"{NAME}-{kind}").json()["outputs"]}
    check("and its probabilities are Python's", np.allclose(np.array(served["probabilities"]).reshape(-1, 2)[:, 1], probability, atol=1e-5))

# Evaluation
with mlflow.start_run(run_name="evaluated") as active:
    evaluate = mlflow.models.evaluate if IS_3 else mlflow.evaluate
    table = X.assign(late=y)
    result = evaluate(
        f"models:/{NAME}@champion" if IS_3 else logged.model_uri,
        table,
        targets="late",
        model_type="classifier",
        evaluator_config={"log_model_explainability": False},
    )
run = client.get_run(active.info.run_id)
check("evaluation logs its metrics", abs(run.data.metrics["accuracy_score"] - (fitted.predict(X) == y).mean()) < 1e-9)
check("and its plots", any(file.path.endswith(".png") for file in client.list_artifacts(active.info.run_id)))
check("its data is an input of the run", len(run.inputs.dataset_inputs) == 1)

# System metrics
mlflow.set_system_metrics_sampling_interval(1)
mlflow.set_system_metrics_samples_before_logging(1)
with mlflow.start_run(run_name="measured", log_system_metrics=True) as active:
    until("system metrics arrive while the run goes on", lambda: "system/cpu_utilization_percentage" in client.get_run(active.info.run_id).data.metrics)
check("and the memory is among them", client.get_run(active.info.run_id).data.metrics["system/system_memory_usage_megabytes"] > 0)

# Nested runs, as a search over hyperparameters makes them
with mlflow.start_run(run_name="search") as parent:
    for c in [0.1, 1.0, 10.0]:
        with mlflow.start_run(run_name=f"C={c}", nested=True):
            mlflow.log_param("C", c)
            mlflow.log_metric("accuracy", LogisticRegression(C=c).fit(X, y).score(X, y))
children = client.search_runs(
    [experiment.experiment_id],
    filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
    order_by=["metrics.accuracy DESC"],
)
check("nested runs are found by their parent, best first", len(children) == 3 and children[0].data.metrics["accuracy"] >= children[2].data.metrics["accuracy"])
frame = mlflow.search_runs([experiment.experiment_id])
check("runs come as a table", len(frame) >= 10 and "params.C" in frame.columns)
done()
