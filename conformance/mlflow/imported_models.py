"""Looks for what was imported of a logged model with MLflow's own client. Run as: imported_models.py <tracking uri> <model id> <run id>."""

import os
import sys

os.environ["GIT_PYTHON_REFRESH"] = "quiet"

from checks import check, done  # noqa: E402

import mlflow  # noqa: E402
import mlflow.pyfunc  # noqa: E402

URI, MODEL, RUN = sys.argv[1:4]
mlflow.set_tracking_uri(URI)
client = mlflow.MlflowClient()

model = mlflow.get_logged_model(MODEL)
check("the model is there under its id", (model.model_id, model.name, model.source_run_id) == (MODEL, "echo", RUN))
check("it is ready", model.status == "READY")
measured = {(metric.key, metric.step): metric for metric in model.metrics}
check("its metrics name their dataset", measured["accuracy", 2].dataset_name == "rows" and measured["accuracy", 2].dataset_digest)
found = mlflow.search_logged_models([model.experiment_id], filter_string="params.depth = '3'", output_format="list")
check("it is found by a param", [one.model_id for one in found] == [MODEL])
found = mlflow.search_logged_models([model.experiment_id], filter_string="metrics.accuracy > 0.6", output_format="list")
check("and by a metric", [one.model_id for one in found] == [MODEL])
check("its run names it as output", [one.model_id for one in client.get_run(RUN).outputs.model_outputs] == [MODEL])
evaluation = client.get_run(measured["accuracy", 0].run_id)
check("the run that evaluated it names it as input", [one.model_id for one in evaluation.inputs.model_inputs] == [MODEL])
check("its files are listed", "MLmodel" in {file.path for file in client.list_logged_model_artifacts(MODEL)})
check("it loads by its id", mlflow.pyfunc.load_model(f"models:/{MODEL}").predict([1, 2]) == [1, 2])
check("its version names it", client.get_model_version("echo", "1").source == f"models:/{MODEL}")
check("the version loads", mlflow.pyfunc.load_model("models:/echo/1").predict([3]) == [3])
done()
