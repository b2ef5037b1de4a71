"""python mlflow_pages.py URL TRAINING_SET: what the how-tos say with MLflow's client, in an empty working directory."""

import json
import sys
import urllib.request

from pages import Page, done, url

import mlflow
import numpy
import pandas
from mlflow import MlflowClient

mlflow.set_tracking_uri(url)
client = MlflowClient()


def infer(model, data):
    body = {"inputs": [{"name": "X", "shape": [1, 3], "datatype": "FP32", "data": data}]}
    request = urllib.request.Request(f"{url}/v2/models/{model}/versions/1/infer", json.dumps(body).encode(), {"content-type": "application/json"})
    return {output["name"]: output["data"] for output in json.load(urllib.request.urlopen(request))["outputs"]}


# Serve a model trained in Python: a frame of numbers and labels, and boosters of them.
random = numpy.random.default_rng(7)
X = pandas.DataFrame(random.normal(size=(400, 3)), columns=["distance", "delay_mean_6h", "departures_1h"])
y = (X["distance"] + X["delay_mean_6h"] > 0).astype("int64")
page = Page("serve-a-python-model.md", X=X, y=y)
page.type(0)
# What comes below would be logged twice.
mlflow.autolog(disable=True)
page.type(4)
first = client.get_model_version("late", "1")
answer = infer("late", [2.0, 2.0, 0.3])
assert answer["label"] == [1] and answer["probabilities"][1] > 0.9, answer
outputs = page.type(1)["graph"].graph.output
assert len(outputs) == 3 and outputs[-1].name == "output_label", outputs

import lightgbm
import xgboost

page.names["booster"] = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(X, y), 5)
with mlflow.start_run():
    page.type(2)
page.names["booster"] = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X.to_numpy(), y), 5)
with mlflow.start_run():
    page.type(3)
assert len(client.search_model_versions("name='late'")) == 3

# For the page that scores in batches: a model of its three columns.
client.create_registered_model("delay")
client.create_model_version("delay", first.source, first.run_id)
client.set_registered_model_alias("delay", "champion", "1")

# Pin what a model was trained on: in a run that is open.
with mlflow.start_run() as run:
    Page("build-a-training-set.md", mlflow=mlflow, training_set=json.loads(sys.argv[2])).type(2)
assert client.get_run(run.info.run_id).data.params["feature_service"] == "fares@1"

# Reproduce a run: the files it logs, and a data set.
for name, text in {"train.py": "print(1)\n", "requirements.txt": "numpy\n"}.items():
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
Page("reproduce-a-run.md", mlflow=mlflow, alpha=0.5, dataset=mlflow.data.from_pandas(X, name="flights")).type(0)
run = client.search_runs(["0"], order_by=["attributes.start_time DESC"])[0]
assert run.data.params["alpha"] == "0.5" and run.inputs.dataset_inputs[0].dataset.name == "flights", run
assert [file.path for file in client.list_artifacts(run.info.run_id, "code")] == ["code/requirements.txt", "code/train.py"]

page = Page("receive-webhooks.md")
page.type(0)
assert [hook.name for hook in client.list_webhooks()] == ["deploy"]

page = Page("keep-keys-of-language-models.md")
endpoint = page.type(0)["endpoint"]
assert [mapping.model_definition.name for mapping in endpoint.model_mappings] == ["small", "large"], endpoint


class Record:
    """As kafka-python and confluent-kafka give them: headers are pairs of a name and bytes."""

    def __init__(self, generation, offset):
        told = {"ce_stream": "due", "ce_inputtopic": "departures", "ce_inputpartition": 0, "ce_generation": generation, "ce_inputoffset": offset}
        self.headers = [(name, str(value).encode()) for name, value in told.items()]
        self.place = generation, offset


# Predict a stream: outputs of which some come again.
acted = []
Page(
    "predict-a-stream.md",
    consumer=[Record(*place) for place in [(0, 0), (0, 1), (1, 1), (0, 1), (1, 2), (1, 1)]],
    act=lambda record: acted.append(record.place),
).type(0)
print(json.dumps(acted), file=sys.stderr)
assert acted == [(0, 0), (0, 1), (1, 1), (1, 2)], acted

done()
