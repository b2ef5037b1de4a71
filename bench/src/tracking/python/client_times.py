"""Times the real MLflow client against a server and prints milliseconds as JSON.

client_times.py URI EXPERIMENT_ID TIMES_OF_SMALL TIMES_OF_LARGE
"""
import json
import statistics
import sys
import time

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

uri, experiment, small, large = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
client = MlflowClient(tracking_uri=uri)


def p50(times, call):
    took = []
    for index in range(times + 2):
        began = time.perf_counter()
        call(index)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[2:])


def lifecycle(_):
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "loss", 0.5, step=1)
    client.set_terminated(run.info.run_id)


run_id = client.create_run(experiment).info.run_id
now = int(time.time() * 1000)
batches = [[Metric("loss", step / 7, now + step, batch * 1000 + step) for step in range(1000)] for batch in range(large + 2)]
print(json.dumps({
    "logMetric": p50(small, lambda step: client.log_metric(run_id, "m", step / 3, step=step)),
    "logBatch": p50(large, lambda index: client.log_batch(run_id, metrics=batches[index])),
    "lifecycle": p50(large, lifecycle),
}))
