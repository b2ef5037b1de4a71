"""One training by MLflow's own client: a run with params, a metric, its data and a model file, registered as a version.

usage: governance_session.py URL MODEL_FILE BRIER
prints {"version": ..., "refusal": ...}: the refusal is what moving the alias directly was answered.
"""
import json
import sys

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

url, model_file, brier = sys.argv[1], sys.argv[2], float(sys.argv[3])
mlflow.set_tracking_uri(url)
client = MlflowClient()
mlflow.set_experiment("delay")
with mlflow.start_run() as run:
    mlflow.log_params({"solver": "newton", "penalty": "l2"})
    mlflow.log_metric("brier", brier)
    march = Dataset(name="march", digest="a1b2c3", source_type="http", source=json.dumps({"url": "http://data/march"}))
    client.log_inputs(run.info.run_id, [DatasetInput(march, [InputTag("mlflow.data.context", "eval")])])
    mlflow.log_artifact(model_file, "model")
try:
    client.create_registered_model("delay", tags={"licence": "Apache-2.0"}, description="Late by more than 15 minutes?")
except MlflowException as error:
    assert error.error_code == "RESOURCE_ALREADY_EXISTS", error
version = client.create_model_version("delay", f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
refusal = None
try:
    client.set_registered_model_alias("delay", "champion", version.version)
except MlflowException as error:
    refusal = f"{error.error_code}: {error.message}"
print(json.dumps({"version": version.version, "refusal": refusal}))
