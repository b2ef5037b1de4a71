"""A model directory logged and registered by MLflow's own client, and what a registration of changed files is answered.

usage: integrity_session.py URL register MODEL_FILE     prints {"version", "run_id"}
       integrity_session.py URL again RUN_ID            registers the run's files once more; prints {"refusal"}
       integrity_session.py URL download VERSION FOLDER downloads the version's files, as anybody would
"""
import json
import os
import sys
import tempfile

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

url, verb = sys.argv[1], sys.argv[2]
mlflow.set_tracking_uri(url)
client = MlflowClient()
NAME = "signed"

if verb == "register":
    mlflow.set_experiment("signed")
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
        with open(os.path.join(folder, "MLmodel"), "w") as descriptor:
            descriptor.write("flavors:\n  onnx:\n    data: data/model.onnx\n")
        os.makedirs(os.path.join(folder, "data"))
        with open(sys.argv[3], "rb") as source, open(os.path.join(folder, "data", "model.onnx"), "wb") as target:
            target.write(source.read())
        mlflow.log_artifacts(folder, "model")
        run_id, uri = run.info.run_id, run.info.artifact_uri
    try:
        client.create_registered_model(NAME)
    except MlflowException as error:
        assert error.error_code == "RESOURCE_ALREADY_EXISTS", error
    version = client.create_model_version(NAME, f"{uri}/model", run_id=run_id)
    print(json.dumps({"version": int(version.version), "run_id": run_id}))
elif verb == "again":
    run_id = sys.argv[3]
    try:
        client.create_model_version(NAME, f"{client.get_run(run_id).info.artifact_uri}/model", run_id=run_id)
        print(json.dumps({"refusal": None}))
    except MlflowException as error:
        print(json.dumps({"refusal": f"{error.error_code}: {error.message}"}))
else:
    print(json.dumps({"folder": mlflow.artifacts.download_artifacts(f"models:/{NAME}/{sys.argv[3]}", dst_path=sys.argv[4])}))
