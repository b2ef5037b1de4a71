"""What a data scientist's session does through MLflow's own client, checked step by step.

Run as: client_session.py <tracking uri>. Prints one line per check and fails at the first that does not hold.
"""

import math
import os
import sys
import tempfile
import threading
import time
import uuid

from checks import check, done, refused  # before mlflow: it sets what mlflow reads

import mlflow  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType  # noqa: E402

URI = sys.argv[1]
NAME = f"conformance-{uuid.uuid4().hex[:8]}"
MAJOR = int(mlflow.__version__.split(".")[0])
mlflow.set_tracking_uri(URI)
client = mlflow.MlflowClient()

# Experiments
default = client.get_experiment("0")
check("the default experiment is there", default.name == "Default")
experiment = mlflow.set_experiment(NAME)
check("set_experiment makes an experiment", experiment.name == NAME and experiment.lifecycle_stage == "active")
check("set_experiment finds it again", mlflow.set_experiment(NAME).experiment_id == experiment.experiment_id)
refused("a name that is taken", "RESOURCE_ALREADY_EXISTS", lambda: client.create_experiment(NAME))
client.set_experiment_tag(experiment.experiment_id, "team", "flights")
check("an experiment's tag is read back", client.get_experiment_by_name(NAME).tags["team"] == "flights")
found = client.search_experiments(filter_string=f"name LIKE '{NAME}%' AND tags.team = 'flights'")
check("search_experiments finds it by name and tag", [e.experiment_id for e in found] == [experiment.experiment_id])

# A run and what it logs
with mlflow.start_run(run_name="parent", tags={"stage": "training"}) as active:
    run_id = active.info.run_id
    mlflow.log_param("depth", 3)
    mlflow.log_params({"learning rate": 0.1, "loss/kind": "log"})
    for step in range(20):
        mlflow.log_metric("auc", 0.5 + step / 100, step=step)
    mlflow.log_metrics({"rmse": 1.5, "mae": -0.25}, step=3)
    mlflow.log_metric("late", 1.0, step=5)
    mlflow.log_metric("late", 9.0, step=1)
    mlflow.log_metric("odd", float("nan"), step=0)
    mlflow.log_metric("odd", float("inf"), step=1)
    mlflow.log_metric("odd", float("-inf"), step=2)
    mlflow.set_tag("note", "größer als nötig")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": 1}, "config.json")
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "model", "data"))
        with open(os.path.join(folder, "model", "MLmodel"), "w") as file:
            file.write("flavors: {}\n")
        with open(os.path.join(folder, "model", "data", "weights 1.bin"), "wb") as file:
            file.write(os.urandom(3_000_000))
        mlflow.log_artifacts(os.path.join(folder, "model"), "model")
    with mlflow.start_run(nested=True, run_name="child") as child:
        child_id = child.info.run_id
        mlflow.log_param("depth", 4)
        mlflow.log_metric("auc", 0.9)

run = client.get_run(run_id)
check("the run is finished", run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time)
check("its name is kept", run.info.run_name == "parent" and run.data.tags["mlflow.runName"] == "parent")
check("params are text", run.data.params == {"depth": "3", "learning rate": "0.1", "loss/kind": "log"})
check("the latest metric is the one of the last step", run.data.metrics["auc"] == 0.69)
check("a late point of an early step does not win", run.data.metrics["late"] == 1.0)
check("metrics logged together are read back", (run.data.metrics["rmse"], run.data.metrics["mae"]) == (1.5, -0.25))
check("minus infinity survives", run.data.metrics["odd"] == -math.inf)
check("tags keep their characters", run.data.tags["note"] == "größer als nötig")
history = client.get_metric_history(run_id, "auc")
check("a metric's history is whole", sorted((m.step, m.value) for m in history) == [(s, 0.5 + s / 100) for s in range(20)])
odd = {m.step: m.value for m in client.get_metric_history(run_id, "odd")}
check("NaN and infinities are in the history", math.isnan(odd[0]) and odd[1] == math.inf and odd[2] == -math.inf)
check("the nested run names its parent", client.get_run(child_id).data.tags["mlflow.parentRunId"] == run_id)
refused("a param that changes", "INVALID_PARAMETER_VALUE", lambda: client.log_param(run_id, "depth", 4))
client.log_param(run_id, "depth", 3)
check("the same param again is no error", client.get_run(run_id).data.params["depth"] == "3")

# Batches
now = int(time.time() * 1000)
points = [Metric("batched", float(i), now + i, i) for i in range(1000)]
client.log_batch(run_id, metrics=points)
check("a batch of 1000 points is kept", len(client.get_metric_history(run_id, "batched")) == 1000)
client.log_batch(run_id, metrics=points)
check("sent again it counts once", len(client.get_metric_history(run_id, "batched")) == 1000)
client.log_batch(
    run_id,
    metrics=[Metric("mixed", 1.0, now, 0)],
    params=[Param("p1", "1"), Param("p2", "2")],
    tags=[RunTag("t1", "1")],
)
run = client.get_run(run_id)
check("a mixed batch is kept", (run.data.params["p1"], run.data.tags["t1"], run.data.metrics["mixed"]) == ("1", "1", 1.0))
refused(
    "a batch with a param that changes",
    "INVALID_PARAMETER_VALUE",
    lambda: client.log_batch(run_id, metrics=[Metric("refused", 1.0, now, 0)], params=[Param("p1", "other")]),
)
check("nothing of a refused batch is kept", "refused" not in client.get_run(run_id).data.metrics)
client.delete_tag(run_id, "t1")
check("a tag is taken away", "t1" not in client.get_run(run_id).data.tags)
refused("deleting a tag that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.delete_tag(run_id, "t1"))

# Data sets
dataset = Dataset(name="flights", digest="abc123", source_type="local", source="data/flights.parquet", schema="{}")
client.log_inputs(run_id, [DatasetInput(dataset=dataset, tags=[InputTag(key="mlflow.data.context", value="train")])])
inputs = client.get_run(run_id).inputs.dataset_inputs
check("a data set is an input of the run", [(i.dataset.name, i.tags[0].value) for i in inputs] == [("flights", "train")])

# Searching runs
ids = [experiment.experiment_id]


def search(text, **more):
    return [r.info.run_id for r in client.search_runs(ids, filter_string=text, **more)]


check("search by metric", search("metrics.auc > 0.8") == [child_id])
check("search by param", search("params.depth = '3'") == [run_id])
check("search by a quoted key", search("params.`learning rate` = '0.1' and params.\"loss/kind\" LIKE 'l%'") == [run_id])
check("search by tag", search("tags.stage = 'training'") == [run_id])
check("search by attribute", search("attributes.status = 'FINISHED' and run_name = 'child'") == [child_id])
check("search by data set", search("dataset.name = 'flights' and dataset.context = 'train'") == [run_id])
check("search by run ids", set(search(f"attributes.run_id IN ('{run_id}', '{child_id}')")) == {run_id, child_id})
check("order by metric", search("", order_by=["metrics.auc DESC"]) == [child_id, run_id])
check("order by param", search("", order_by=["params.depth ASC"]) == [run_id, child_id])
check("runs without the value come last", search("", order_by=["metrics.rmse ASC"]) == [run_id, child_id])
page = client.search_runs(ids, max_results=1, order_by=["metrics.auc DESC"])
rest = client.search_runs(ids, max_results=1, order_by=["metrics.auc DESC"], page_token=page.token)
check("pages follow one another", [r.info.run_id for r in [*page, *rest]] == [child_id, run_id])
refused("a filter with OR", "INVALID_PARAMETER_VALUE", lambda: search("metrics.auc > 1 OR metrics.auc < 1"))
refused("an unknown attribute", "INVALID_PARAMETER_VALUE", lambda: search("attributes.nothing = 'x'"))

# Artifacts
check("artifacts are listed", {f.path: f.is_dir for f in client.list_artifacts(run_id)} == {"config.json": False, "model": True, "notes": True})
check("a folder is listed", [f.path for f in client.list_artifacts(run_id, "model/data")] == ["model/data/weights 1.bin"])
check("a text is loaded", mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt") == "hello")
with tempfile.TemporaryDirectory() as folder:
    path = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="model", dst_path=folder)
    check("a folder is downloaded", os.path.getsize(os.path.join(path, "data", "weights 1.bin")) == 3_000_000)

# Deleting and restoring
client.delete_run(child_id)
check("a deleted run is out of sight", search("") == [run_id])
check("and found where one looks for it", search("", run_view_type=ViewType.DELETED_ONLY) == [child_id])
refused("logging into it", "INVALID_PARAMETER_VALUE", lambda: client.log_metric(child_id, "auc", 1.0))
client.restore_run(child_id)
check("a restored run is back", set(search("")) == {run_id, child_id})
client.delete_experiment(experiment.experiment_id)
check("a deleted experiment takes its runs along", client.get_run(run_id).info.lifecycle_stage == "deleted")
refused("logging into a run of it", "INVALID_PARAMETER_VALUE", lambda: client.log_metric(run_id, "auc", 1.0))
client.restore_experiment(experiment.experiment_id)
check("and brings them back", client.get_run(run_id).info.lifecycle_stage == "active")
client.rename_experiment(experiment.experiment_id, NAME + "-renamed")
check("an experiment is renamed", client.get_experiment(experiment.experiment_id).name == NAME + "-renamed")

# The registry
source = client.get_run(run_id).info.artifact_uri + "/model"
client.create_registered_model(NAME, tags={"owner": "ann"}, description="departs late")
refused("a model name that is taken", "RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model(NAME))
first = client.create_model_version(NAME, source, run_id=run_id, description="first")
second = client.create_model_version(NAME, source, run_id=run_id, tags={"candidate": "yes"})
check("versions count up", (first.version, second.version) in [("1", "2"), (1, 2)])
check("a version is ready", first.status == "READY" and first.source == source and first.run_id == run_id)
client.set_registered_model_alias(NAME, "champion", "1")
check("an alias leads to its version", str(client.get_model_version_by_alias(NAME, "champion").version) == "1")
client.set_registered_model_alias(NAME, "champion", "2")
model = client.get_registered_model(NAME)
check("a moved alias leads to the other", {k: str(v) for k, v in model.aliases.items()} == {"champion": "2"})
check("a model keeps its tags and description", (model.tags, model.description) == ({"owner": "ann"}, "departs late"))
client.transition_model_version_stage(NAME, "1", "Production")
client.transition_model_version_stage(NAME, "2", "production", archive_existing_versions=True)
stages = {str(v.version): v.current_stage for v in client.search_model_versions(f"name = '{NAME}'")}
check("moving a version archives the one before", stages == {"1": "Archived", "2": "Production"})
latest = client.get_latest_versions(NAME, stages=["Production"])
check("the latest of a stage is found", [str(v.version) for v in latest] == ["2"])
with tempfile.TemporaryDirectory() as folder:
    path = mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion", dst_path=folder)
    check("a model is downloaded by its alias", os.path.exists(os.path.join(path, "data", "weights 1.bin")))
    path = mlflow.artifacts.download_artifacts(f"models:/{NAME}/1", dst_path=os.path.join(folder, "1"))
    check("and by its version", os.path.exists(os.path.join(path, "MLmodel")))
client.set_model_version_tag(NAME, "1", "checked", "no")
check("a version's tag is searched", [str(v.version) for v in client.search_model_versions(f"name = '{NAME}' and tags.checked = 'no'")] == ["1"])
check("versions are searched by run", len(client.search_model_versions(f"run_id = '{run_id}'")) == 2)
client.delete_model_version_tag(NAME, "1", "checked")
client.update_model_version(NAME, "1", "the first one")
check("a version is described", client.get_model_version(NAME, "1").description == "the first one")
client.delete_registered_model_alias(NAME, "champion")
refused("an alias that was deleted", "INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias(NAME, "champion"))
client.delete_model_version(NAME, "2")
refused("a version that was deleted", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version(NAME, "2"))
third = client.create_model_version(NAME, source, run_id=run_id)
check("a number is not given twice", str(third.version) == "3")
refused("the alias of a version that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.set_registered_model_alias(NAME, "x", "9"))
renamed = NAME + "-2"
client.rename_registered_model(NAME, renamed)
check("a renamed model keeps its versions", {str(v.version) for v in client.search_model_versions(f"name = '{renamed}'")} == {"1", "3"})
check("models are searched", [m.name for m in client.search_registered_models(f"name LIKE '{NAME}%'")] == [renamed])
client.delete_registered_model(renamed)
refused("a model that was deleted", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model(renamed))

# Many at once: what one client was told is there, all of it is
with mlflow.start_run(experiment_id=experiment.experiment_id, run_name="busy") as busy:
    busy_id = busy.info.run_id


def log_some(worker):
    for i in range(25):
        client.log_metric(busy_id, f"m{worker}", i, step=i)
        client.log_param(busy_id, f"p{worker}-{i}", i)


threads = [threading.Thread(target=log_some, args=(worker,)) for worker in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
busy = client.get_run(busy_id)
check("what eight threads logged is all there", len(busy.data.params) == 200 and all(busy.data.metrics[f"m{w}"] == 24 for w in range(8)))

done()
