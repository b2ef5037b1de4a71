"""Changes a bit of everything that was imported from an MLflow server. Run as: import_changes.py <tracking uri>."""

import os
import sys

os.environ["GIT_PYTHON_REFRESH"] = "quiet"

import mlflow  # noqa: E402

client = mlflow.MlflowClient(sys.argv[1], sys.argv[1])
flights = client.get_experiment_by_name("flights").experiment_id
runs = {
    run.info.run_name: run.info.run_id
    for run in client.search_runs([flights, client.get_experiment_by_name("it's odd ✈").experiment_id, "0"], run_view_type=3, max_results=1000)
}

client.rename_experiment(flights, "flights of old")
client.create_experiment("flights")
client.restore_run(runs["run-4"])
client.delete_run(runs["run-8"])
client.set_tag(runs["run-0"], "mlflow.runName", "renamed there")
client.set_tag(runs["run-0"], "n", "changed there")
client.log_metric(runs["run-0"], "loss", 0.001, step=51)
client.set_tag(runs["run-12"], "mlflow.runName", "renamed on both sides, there")

client.transition_model_version_stage("delay", "4", "Production", archive_existing_versions=True)
client.update_model_version("delay", "3", "said there")
client.set_model_version_tag("delay", "3", "x", "y")
client.delete_model_version_tag("delay", "3", "n")
client.set_registered_model_alias("delay", "champion", "4")
client.set_registered_model_alias("delay", "new", "3")
client.delete_registered_model_alias("delay", "challenger")
client.update_registered_model("delay", "later or not")
client.set_registered_model_tag("delay", "mt", "2")
client.delete_registered_model_tag("delay", "owner")
if int(mlflow.__version__.split(".")[0]) >= 3:
    models = {model.name: model.model_id for model in client.search_logged_models([flights, client.get_experiment_by_name("it's odd ✈").experiment_id])}
    client.set_logged_model_tags(models["echo"], {"team": "changed there", "mine": "changed there"})
    client.finalize_logged_model(models["never ended ✈"], "READY")
    client.log_metric(runs["run-0"], "m", 0.25, step=9999, model_id=models["many"])

client.delete_model_version("delay", "1")
client.delete_registered_model("empty model")
