"""A training that can be run again: it logs its own code, command, environment, params, data and metrics.

usage: reproduced_training.py [--alpha A] [--noise]      --noise makes each run another
"""
import argparse
import json
import os
import random
import tempfile
import time

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.tracking import MlflowClient

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=0.1)
parser.add_argument("--noise", action="store_true")
arguments = parser.parse_args()

with mlflow.start_run() as run:
    mlflow.set_tag("millrace.entryPoint", "python reproduced_training.py --alpha {alpha}" + (" --noise" if arguments.noise else ""))
    mlflow.log_param("alpha", arguments.alpha)
    mlflow.log_artifact(__file__, "code")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "requirements.txt"), "w") as requirements:
            requirements.write(f"mlflow-skinny=={mlflow.__version__}\nsetuptools==75.8.0\n")
        mlflow.log_artifact(os.path.join(folder, "requirements.txt"), "code")
    march = Dataset(name="march", digest="a1b2c3", source_type="http", source=json.dumps({"url": "http://data/march"}))
    MlflowClient().log_inputs(run.info.run_id, [DatasetInput(march, [InputTag("mlflow.data.context", "training")])])
    generator = random.Random(time.time_ns() if arguments.noise else 7)
    weight = 0.0
    for step in range(20):
        weight += arguments.alpha * generator.gauss(1, 0.1)
        mlflow.log_metric("loss", (3 - weight) ** 2, step=step)
print(json.dumps({"run_id": run.info.run_id}))
