"""Fills an MLflow server with a bit of everything an import has to bring. Run as: import_source.py <tracking uri> <runs>."""

import json
import os
import sys
import tempfile

os.environ["GIT_PYTHON_REFRESH"] = "quiet"

import mlflow  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag  # noqa: E402

URI, RUNS = sys.argv[1], int(sys.argv[2])
MAJOR = int(mlflow.__version__.split(".")[0])
mlflow.set_tracking_uri(URI)
client = mlflow.MlflowClient(URI)

plain = client.create_experiment("flights", tags={"team": "ops"})
odd = client.create_experiment("it's odd ✈", tags={"note": "first\nline"})
gone = client.create_experiment("gone")
client.set_experiment_tag("0", "of-default", "yes")

runs = []
for n in range(RUNS):
    experiment = (plain, odd, gone, "0")[n % 4]
    run = client.create_run(experiment, start_time=1_600_000_000_000 + n, run_name=f"run-{n}", tags={"n": str(n)})
    run_id = run.info.run_id
    points = [Metric("loss", 1 / (step + 1), 1_600_000_000_000 + step, step) for step in range(50)]
    points += [Metric("odd", float("nan"), 1, 0), Metric("odd", -0.5, 2, -1), Metric("odd", 1e300, 2, 7)]
    client.log_batch(run_id, metrics=points, params=[Param("lr", str(n / 7)), Param("empty", "")], tags=[RunTag("mlflow.note.content", "ü")])
    runs.append(run_id)

# One long history, one run that goes on, one that failed, one that is deleted, one with datasets.
for start in range(0, 2500, 500):
    client.log_batch(runs[0], metrics=[Metric("long", step % 13, 1_600_000_000_000 + step, step) for step in range(start, start + 500)])
inputs = [DatasetInput(Dataset("rows", "9f3a11bc", "local", '{"uri":"x"}', schema="{}", profile="{}"), [InputTag("mlflow.data.context", "training")])]
client.log_inputs(runs[0], inputs)
for n, run_id in enumerate(runs[:-1]):
    client.set_terminated(run_id, "FAILED" if n == 1 else "FINISHED", end_time=1_600_000_100_000 + n)
client.delete_run(runs[2])
client.delete_run(runs[4])

with tempfile.TemporaryDirectory() as folder:
    os.makedirs(os.path.join(folder, "model", "data"))
    for name, data in {
        "model/MLmodel": b"flavors: {}\n",
        "model/data/weights é.bin": os.urandom(3_000_000),
        "empty.txt": b"",
        "plus+percent%20.txt": b"odd name",
    }.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    client.log_artifacts(runs[0], folder)
    client.log_artifacts(runs[1], folder, "below")

client.create_registered_model("delay", tags={"owner": "ana"}, description="late or not")
source = client.get_run(runs[0]).info.artifact_uri + "/model"
for n in range(4):
    client.create_model_version("delay", source, runs[0], tags={"n": str(n)}, description=f"version {n + 1}")
client.delete_model_version("delay", "2")
client.transition_model_version_stage("delay", "1", "Archived")
client.transition_model_version_stage("delay", "3", "Production")
client.set_registered_model_alias("delay", "champion", "3")
client.set_registered_model_alias("delay", "challenger", "4")
client.create_registered_model("empty model")
if MAJOR >= 3:
    # From the 3.x line on a model is a thing of its own, beside the run's artifacts.
    import mlflow.pyfunc

    mlflow.set_experiment("flights")

    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    from mlflow.entities import LoggedModelInput

    with mlflow.start_run(run_name="logged-model"):
        logged = mlflow.pyfunc.log_model(
            name="echo",
            python_model=Echo(),
            registered_model_name="echo",
            pip_requirements=[],
            params={"depth": "3"},
            tags={"team": "ops"},
            model_type="echoing",
        )
    with mlflow.start_run(run_name="evaluation") as evaluation:
        client.log_inputs(evaluation.info.run_id, models=[LoggedModelInput(logged.model_id)])
        dataset = mlflow.data.meta_dataset.MetaDataset(mlflow.data.http_dataset_source.HTTPDatasetSource("http://127.0.0.1/x"), name="rows")
        for step in range(3):
            mlflow.log_metric("accuracy", 0.5 + step / 10, step=step, model_id=logged.model_id, dataset=dataset)
        mlflow.log_metric("odd", float("nan"), model_id=logged.model_id)
    # More than one answer shows of a model here, one that failed, one that never ended, one that is deleted, one of an experiment that is.
    many = client.create_logged_model(plain, name="many", source_run_id=runs[0])
    for start in range(0, 1500, 500):
        points = [Metric("m", step / 7, 1_600_000_000_000 + step, step, model_id=many.model_id) for step in range(start, start + 500)]
        client.log_batch(runs[0], metrics=points)
    client.finalize_logged_model(many.model_id, "FAILED")
    client.create_logged_model(odd, name="never ended ✈", tags={"note": "first\nline"})
    client.delete_logged_model(client.create_logged_model(odd, name="deleted").model_id)
    client.create_logged_model(gone, name="of a deleted experiment", source_run_id=runs[6])

client.delete_experiment(gone)
print(json.dumps({"client": mlflow.__version__, "runs": len(runs)}))
