"""What MLflow's own client does against a server that asks who comes, by the credentials in its environment.

Run as: access_session.py <tracking uri> <editor key> <viewer key>. Prints one line per check and fails at the first that does not hold.
"""

import os
import sys
import tempfile

from checks import check, done  # before mlflow: it sets what mlflow reads

import mlflow  # noqa: E402
from mlflow.exceptions import MlflowException, RestException  # noqa: E402

URI, EDITOR, VIEWER = sys.argv[1:4]
VERSION = mlflow.__version__
CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def with_credentials(**credentials):
    for name in CREDENTIALS:
        os.environ.pop(name, None)
    os.environ.update(credentials)


def refused(what, code, call):
    try:
        call()
    except (RestException, MlflowException) as error:
        text = str(error)
        check(f"{what} is refused with {code} ({error.error_code}: {text[:120]})", code in (error.error_code, text) or code in text)
    else:
        check(f"{what} is refused with {code}", False)


mlflow.set_tracking_uri(URI)
mlflow.set_registry_uri(URI)
client = mlflow.MlflowClient(URI)

with_credentials()
refused("nobody", "UNAUTHENTICATED", lambda: client.search_experiments())
with_credentials(MLFLOW_TRACKING_TOKEN="not-a-key")
refused("a wrong token", "UNAUTHENTICATED", lambda: client.search_experiments())
with_credentials(MLFLOW_TRACKING_USERNAME="ana", MLFLOW_TRACKING_PASSWORD="not-a-key")
refused("a wrong password", "UNAUTHENTICATED", lambda: client.search_registered_models())

for name, credentials in {
    "token": {"MLFLOW_TRACKING_TOKEN": EDITOR},
    "password": {"MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": EDITOR},
}.items():
    with_credentials(**credentials)
    mlflow.set_experiment(f"by-{name}-{VERSION}")
    with mlflow.start_run() as run:
        mlflow.log_param("by", name)
        mlflow.log_metric("m", 0.5)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "note.txt")
            with open(path, "w") as file:
                file.write(name)
            mlflow.log_artifact(path)
    seen = client.get_run(run.info.run_id)
    check(f"a {name} logs a run", seen.data.params == {"by": name} and seen.data.metrics == {"m": 0.5})
    with tempfile.TemporaryDirectory() as folder:
        local = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="note.txt", dst_path=folder)
        check(f"a {name} reads the artifact back", open(local).read() == name)
    client.create_registered_model(f"model-by-{name}-{VERSION}")
    check(f"a {name} registers a model", client.get_registered_model(f"model-by-{name}-{VERSION}").name == f"model-by-{name}-{VERSION}")

with_credentials(MLFLOW_TRACKING_TOKEN=VIEWER)
check("a viewer searches", len(client.search_runs([seen.info.experiment_id])) == 1)
check("a viewer reads a run", client.get_run(seen.info.run_id).info.status == "FINISHED")
refused("a viewer who logs", "PERMISSION_DENIED", lambda: client.log_metric(seen.info.run_id, "m", 1.0))
refused("a viewer who creates", "PERMISSION_DENIED", lambda: client.create_experiment("by-a-viewer"))
refused("a viewer who registers", "PERMISSION_DENIED", lambda: client.create_registered_model("by-a-viewer"))

done()
