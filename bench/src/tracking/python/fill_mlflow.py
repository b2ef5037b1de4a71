"""Fills a database that an MLflow server has made with runs, by SQL: its API would take hours.

fill_mlflow.py DATABASE RUNS.jsonl HISTORY_POINTS
"""
import json
import math
import sqlite3
import sys

database, source, history = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = sqlite3.connect(database)
db.execute("PRAGMA synchronous = OFF")
db.execute("INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time) VALUES (1, 'experiment 1', 'mlflow-artifacts:/1', 'active', 0, 0)")
first = None
runs, params, tags, metrics, latest = [], [], [], [], []


def flush():
    db.executemany("INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'LOCAL', 'train.py', '', 'bench', 'FINISHED', ?, ?, '', 'active', ?, 1)", runs)
    db.executemany("INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)", params)
    db.executemany("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", tags)
    db.executemany("INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)", metrics)
    db.executemany("INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)", latest)
    for rows in (runs, params, tags, metrics, latest):
        rows.clear()


with open(source) as lines:
    for line in lines:
        run = json.loads(line)
        run_id, start = run["id"], run["start"]
        first = first or (run_id, start)
        runs.append((run_id, run["name"], start, start + 500, f"mlflow-artifacts:/1/{run_id}/artifacts"))
        params.extend((run_id, key, value) for key, value in run["params"].items())
        tags.extend((run_id, key, value) for key, value in run["tags"].items())
        for key, value in run["metrics"].items():
            metrics.append((run_id, key, value, start, 0))
            latest.append((run_id, key, value, start, 0))
        if len(runs) >= 5000:
            flush()
flush()
if history:
    run_id, start = first
    db.executemany("INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, 'long', ?, ?, ?, 0)", ((run_id, math.sin(step / 1000), start + step, step) for step in range(history)))
    step = history - 1
    db.execute("INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, 'long', ?, ?, ?, 0)", (run_id, math.sin(step / 1000), start + step, step))
db.commit()
db.execute("ANALYZE")
db.commit()
