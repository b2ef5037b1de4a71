"""Logged models, what runs link to and measure of them, and prompts: what MLflow 3 added to everyday use.

Run as: logged_models_session.py <tracking uri>.
"""

import math
import os
import sys
import tempfile
import time
import uuid

from checks import check, done, refused, until

import mlflow
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus, Metric

mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
NAME = f"models-{uuid.uuid4().hex[:8]}"
experiment = mlflow.set_experiment(NAME)
ids = [experiment.experiment_id]

# The life of one
with mlflow.start_run() as active:
    run_id = active.info.run_id
first = client.create_logged_model(ids[0], name="first", source_run_id=run_id, params={"depth": "3"}, tags={"team": "ann"}, model_type="Agent")
check("a logged model begins as pending", first.status == LoggedModelStatus.PENDING and first.model_id.startswith("m-"))
with tempfile.TemporaryDirectory() as folder:
    os.makedirs(os.path.join(folder, "data"))
    for path in ["MLmodel", os.path.join("data", "weights.bin")]:
        with open(os.path.join(folder, path), "w") as file:
            file.write("x" * 1000)
    client.log_model_artifacts(first.model_id, folder)
check("its files are listed", {file.path for file in client.list_logged_model_artifacts(first.model_id)} == {"MLmodel", "data"})
check("a folder of them is listed", [file.path for file in client.list_logged_model_artifacts(first.model_id, "data")] == ["data/weights.bin"])
check("its files are downloaded", os.path.getsize(os.path.join(mlflow.artifacts.download_artifacts(f"models:/{first.model_id}"), "MLmodel")) == 1000)
check("it is finalized", client.finalize_logged_model(first.model_id, "READY").status == LoggedModelStatus.READY)
client.set_logged_model_tags(first.model_id, {"stage": "final", "team": "bob"})
client.log_model_params(first.model_id, {"width": "7"})
shown = client.get_logged_model(first.model_id)
check("its tags and params are read back", (shown.tags, shown.params) == ({"team": "bob", "stage": "final"}, {"depth": "3", "width": "7"}))
check("it names its run, its kind and its place", (shown.source_run_id, shown.model_type) == (run_id, "Agent") and first.model_id in shown.artifact_location)
refused("a param that changes", "INVALID_PARAMETER_VALUE", lambda: client.log_model_params(first.model_id, {"depth": "4"}))
client.delete_logged_model_tag(first.model_id, "stage")
check("a tag is taken away", client.get_logged_model(first.model_id).tags == {"team": "bob"})
refused("deleting a tag that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.delete_logged_model_tag(first.model_id, "stage"))
refused("a model that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_logged_model("m-" + "0" * 32))
refused("a model in an experiment that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.create_logged_model("99999", name="x"))
refused("a name with a slash", "INVALID_PARAMETER_VALUE", lambda: client.create_logged_model(ids[0], name="a/b"))
check("a model without a name gets one", len(client.create_logged_model(ids[0]).name) > 3)

# What runs link to and measure
client.log_outputs(run_id, [LoggedModelOutput(first.model_id, step=3)])
client.log_outputs(run_id, [LoggedModelOutput(first.model_id, step=3)])
client.log_inputs(run_id, models=[LoggedModelInput(first.model_id)])
run = client.get_run(run_id)
check("a model is an output of its run, once", [(o.model_id, o.step) for o in run.outputs.model_outputs] == [(first.model_id, 3)])
check("and an input", [i.model_id for i in run.inputs.model_inputs] == [first.model_id])
second = client.create_logged_model(ids[0], name="second", source_run_id=run_id, params={"depth": "5"})
now = int(time.time() * 1000)
for model, values in [(first, [0.5, 0.7]), (second, [0.9, 0.6])]:
    for step, value in enumerate(values):
        client.log_metric(run_id, "auc", value, step=step, timestamp=now + step, model_id=model.model_id, dataset_name="flights", dataset_digest="d1")
client.log_batch(run_id, metrics=[Metric("odd", math.nan, now, 0, model_id=second.model_id)])
client.log_metric(run_id, "plain", 1.0)
metrics = {(m.key, m.step): (m.value, m.dataset_name, m.run_id) for m in client.get_logged_model(first.model_id).metrics}
check("a model's metrics are read back with their data set", metrics == {("auc", 0): (0.5, "flights", run_id), ("auc", 1): (0.7, "flights", run_id)})
check("NaN is among them", any(math.isnan(m.value) for m in client.get_logged_model(second.model_id).metrics))
check("the run has them too", client.get_run(run_id).data.metrics["plain"] == 1.0 and "auc" in client.get_run(run_id).data.metrics)


def search(text=None, **more):
    return [model.name for model in client.search_logged_models(ids, filter_string=text, **more) if model.name in ("first", "second")]


check("search by name", search("name = 'first'") == ["first"])
check("search by param and tag", search("params.depth = '3' AND tags.team LIKE 'b%'") == ["first"])
check("search by run", search(f"source_run_id = '{run_id}'") == ["second", "first"])
check("search by metric", search("metrics.auc > 0.8") == ["second"])
check("search by metric and data set", search("metrics.auc > 0.1", datasets=[{"dataset_name": "other"}]) == [])
check("search by data set", set(search(datasets=[{"dataset_name": "flights", "dataset_digest": "d1"}])) == {"first", "second"})
check("order by a metric's latest value", search(order_by=[{"field_name": "metrics.auc", "ascending": False}]) == ["first", "second"])
check("order by time", search(order_by=[{"field_name": "creation_time", "ascending": True}]) == ["first", "second"])
page = client.search_logged_models(ids, max_results=2)
rest = client.search_logged_models(ids, max_results=2, page_token=page.token)
check("pages follow one another", len({m.model_id for m in [*page, *rest]}) == 3 and rest.token is None)
refused("a filter with OR", "INVALID_PARAMETER_VALUE", lambda: search("name = 'a' OR name = 'b'"))
refused("an unknown attribute", "INVALID_PARAMETER_VALUE", lambda: search("colour = 'red'"))
refused("an order by params", "INVALID_PARAMETER_VALUE", lambda: search(order_by=[{"field_name": "params.depth"}]))

# Into the registry
client.create_registered_model(NAME)
version = client.create_model_version(NAME, f"models:/{first.model_id}", model_id=first.model_id)
check("a version is made of a logged model and names its run", (version.source, version.run_id) == (f"models:/{first.model_id}", run_id))
client.set_registered_model_alias(NAME, "champion", version.version)
folder = mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion")
check("and downloaded by its alias", os.path.exists(os.path.join(folder, "data", "weights.bin")))
refused("a version of a model that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.create_model_version(NAME, "models:/m-" + "0" * 32))
client.delete_logged_model(second.model_id)
refused("a model that was deleted", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_logged_model(second.model_id))
check("a deleted model is not found", search() == ["first"])
client.set_experiment_tag(ids[0], "team", "flights")
client.delete_experiment_tag(ids[0], "team")
check("an experiment's tag is taken away", "team" not in client.get_experiment(ids[0]).tags)

# Prompts
PROMPT = f"greeting-{uuid.uuid4().hex[:8]}"
prompt = mlflow.genai.register_prompt(PROMPT, "Hello {{name}}", commit_message="first", tags={"tone": "kind"})
check("a prompt has a version", prompt.version == 1 and prompt.template == "Hello {{name}}")
mlflow.genai.register_prompt(PROMPT, [{"role": "user", "content": "Good day {{name}}"}], commit_message="more formal")
client.set_prompt_alias(PROMPT, "production", 1)
loaded = mlflow.genai.load_prompt(f"prompts:/{PROMPT}@production")
check("a prompt is loaded by its alias", loaded.version == 1 and loaded.format(name="Ann") == "Hello Ann")
check("and by its version", mlflow.genai.load_prompt(PROMPT, version=2).template[0]["content"] == "Good day {{name}}")
check("a version has its tags and message", (loaded.tags["tone"], loaded.commit_message) == ("kind", "first"))
check("the newest without one", mlflow.genai.load_prompt(PROMPT).version == 2 and mlflow.genai.load_prompt(f"prompts:/{PROMPT}@latest").version == 2)
check("prompts are searched", [p.name for p in mlflow.genai.search_prompts(f"name = '{PROMPT}'")] == [PROMPT])
check("prompts are no models", PROMPT not in [m.name for m in client.search_registered_models()])
check("nor are their versions", PROMPT not in [v.name for v in client.search_model_versions()])
client.set_prompt_tag(PROMPT, "owner", "ann")
check("a prompt has tags", client.get_prompt(PROMPT).tags["owner"] == "ann")
client.set_prompt_version_tag(PROMPT, 2, "checked", "yes")
check("and so has its version", client.get_prompt_version(PROMPT, 2).tags["checked"] == "yes")
client.delete_prompt_alias(PROMPT, "production")
client.delete_prompt_version(PROMPT, 2)
check("a version that was deleted is not loaded", mlflow.genai.load_prompt(PROMPT, version=2, allow_missing=True) is None)
with mlflow.start_run() as active:
    mlflow.genai.load_prompt(PROMPT, version=1)
until("a prompt is linked to the run that loads it", lambda: "mlflow.linkedPrompts" in client.get_run(active.info.run_id).data.tags)

# Webhooks
hook = client.create_webhook("ci", "http://127.0.0.1:9/hook", ["model_version.created", "prompt.created"], secret="between us", description="tells the pipeline")
check("a webhook is made", hook.status.value == "ACTIVE" and [str(event) for event in hook.events] == ["model_version.created", "prompt.created"])
check("and found", hook.webhook_id in [one.webhook_id for one in client.list_webhooks()] and client.get_webhook(hook.webhook_id).description == "tells the pipeline")
client.update_webhook(hook.webhook_id, status="DISABLED", events=["model_version_alias.created"])
changed = client.get_webhook(hook.webhook_id)
check("and changed", (changed.status.value, [str(event) for event in changed.events]) == ("DISABLED", ["model_version_alias.created"]))
tested = client.test_webhook(hook.webhook_id)
check(f"a test says what went wrong ({tested.error_message[:60]})", tested.success is False)
client.delete_webhook(hook.webhook_id)
refused("a webhook that was deleted", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_webhook(hook.webhook_id))
done()
