"""The same scoring requests to `mlflow models serve` and to a Millrace deployment of the same model: alike in status and in every value."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

# Its telemetry changes the environment in a thread, under whoever reads it.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import numpy as np
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression

url = sys.argv[1]
mlflow.set_tracking_uri(url)
X = np.random.default_rng(7).normal(size=(200, 3)).astype(np.float32)
regressor = LinearRegression().fit(X, X @ [1, 2, 3])
classifier = LogisticRegression().fit(X, X[:, 0] > 0)


def post(address, body, kind="application/json"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else text


def until(what, act):
    for _ in range(1800):
        try:
            if act():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def alike(ours, theirs):
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and ours.keys() == theirs.keys() and all(alike(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(theirs, float):
        return isinstance(ours, (int, float)) and abs(ours - theirs) < 1e-5
    return ours == theirs


rows = X[:4].tolist()
columns = ["a", "b", "c"]
FRAMES = [
    {"dataframe_split": {"columns": columns, "data": rows}},
    {"dataframe_split": {"index": [9, 8, 7, 6], "columns": columns, "data": rows}},
    {"dataframe_records": [dict(zip(columns, row)) for row in rows]},
]
TENSORS = [{"instances": rows}, {"inputs": rows}, {"inputs": {"X": rows}}, {"instances": [{"X": row} for row in rows]}]
CSV = [
    "a,b,c\n1.5,2,3\n-4,5e-1,6\n",
    "a,b,c\r\n1.5,2,3\r\n\r\n-4,.5,6",
    '"a","b,b","c ""c"""\n"1.5",2,3\n',
    "a,a,c\n1.5,2,3\n",
    "a,b,c\n1,2,3\n3,4,5e2\n",
]
BROKEN_CSV = ["", "\n", "a,b,c\n1,2,3\n1,2,3,4\n", 'a,b,c\n1,2,"3\n']
BROKEN = [{}, [1], b"{", b"", {"rows": rows}, {"instances": rows, "inputs": rows}, {"dataframe_split": 1}, {"dataframe_records": "x"}]


def compare(name, model, requests, csv, folder):
    graph = to_onnx(model, X[:1], options={"zipmap": False} if hasattr(model, "classes_") else None)
    local = Path(folder) / name
    # Named, because finding out what a model needs takes MLflow a minute.
    needs = {"pip_requirements": ["onnxruntime"]}
    mlflow.onnx.save_model(graph, local, **needs)
    with mlflow.start_run():
        mlflow.onnx.log_model(graph, name="onnx", registered_model_name=name, **needs)
    document = {"apiVersion": "millrace.dev/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"model": f"models:/{name}/1"}}
    assert post(f"{url}/api/v1/apply", document)[0] == 200
    until("the deployment", lambda: urllib.request.urlopen(f"{url}/v2/models/{name}/ready").status == 200)
    port = free_port()
    serve = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(local), "--env-manager", "local", "-p", str(port), "-w", "1"]
    # It starts uvicorn by its name.
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    server = subprocess.Popen(serve, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until("mlflow models serve", lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/ping").status == 200)
        for request in requests:
            theirs = post(f"http://127.0.0.1:{port}/invocations", request)
            ours = post(f"{url}/api/v1/deployments/{name}/invocations", request)
            assert theirs[0] == 200 and ours[0] == 200 and alike(ours[1], theirs[1]), (request, ours, theirs)
        for request in csv:
            for kind in ["text/csv", "text/csv; charset=utf-8"]:
                theirs = post(f"http://127.0.0.1:{port}/invocations", request.encode(), kind)
                ours = post(f"{url}/api/v1/deployments/{name}/invocations", request.encode(), kind)
                assert theirs[0] == 200 and ours[0] == 200 and alike(ours[1], theirs[1]), (request, ours, theirs)
        for request in BROKEN_CSV:
            theirs = post(f"http://127.0.0.1:{port}/invocations", request.encode(), "text/csv")
            ours = post(f"{url}/api/v1/deployments/{name}/invocations", request.encode(), "text/csv")
            assert ours[0] == theirs[0] == 400, (request, ours, theirs)
            assert ours[1]["error_code"] == theirs[1]["error_code"] and ours[1]["message"], (request, ours, theirs)
        latin = "text/csv; charset=latin-1"
        theirs = post(f"http://127.0.0.1:{port}/invocations", CSV[0].encode(), latin)
        ours = post(f"{url}/api/v1/deployments/{name}/invocations", CSV[0].encode(), latin)
        assert ours[0] == theirs[0] == 415, (ours, theirs)
        for request in BROKEN:
            theirs = post(f"http://127.0.0.1:{port}/invocations", request)
            ours = post(f"{url}/api/v1/deployments/{name}/invocations", request)
            assert ours[0] == theirs[0] == 400, (request, ours, theirs)
            assert ours[1]["error_code"] == theirs[1]["error_code"] and ours[1]["message"], (request, ours, theirs)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


with tempfile.TemporaryDirectory() as folder:
    # A frame's outputs have to be one value a row at MLflow, so a frame goes to the regressor and tensors to both.
    compare("scored-regressor", regressor, FRAMES + TENSORS, CSV, folder)
    compare("scored-classifier", classifier, TENSORS, [], folder)
print(json.dumps({"client": version("mlflow")}))
