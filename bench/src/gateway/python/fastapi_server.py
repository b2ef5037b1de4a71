"""fastapi_server.py PORT NAME=FILE ...: FastAPI and onnxruntime, as a team would write it by hand: one process, one thread, no log."""

import sys

import numpy as np
import onnxruntime as ort
import orjson
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel


class Input(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class Request(BaseModel):
    id: str | None = None
    inputs: list[Input]


app = FastAPI()
sessions = {}
for model in sys.argv[2:]:
    name, file = model.split("=", 1)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    sessions[name] = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


@app.post("/v2/models/{name}/infer")
async def infer(name: str, request: Request):
    feed = {item.name: np.array(item.data, dtype=np.float32).reshape(item.shape) for item in request.inputs}
    (scores,) = sessions[name].run(None, feed)
    output = {"name": "scores", "datatype": "FP32", "shape": list(scores.shape), "data": scores.ravel().tolist()}
    answer = {"model_name": name, "model_version": "1", "id": request.id, "outputs": [output]}
    return Response(orjson.dumps(answer), media_type="application/json")


@app.get("/v2/health/ready")
async def ready():
    return {"ready": True}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning", loop="uvloop", http="httptools")
