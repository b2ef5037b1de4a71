"""One session of NVIDIA's own HTTP client against a Millrace gateway. Any surprise raises; the last line is the client's version."""

import math
import sys
from importlib.metadata import version

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1].removeprefix("http://"), concurrency=4)


def tensor(name, values, datatype, binary=True):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def refused(status, text, act):
    try:
        act()
    except InferenceServerException as error:
        assert text in error.message() and error.status() == str(status), (error.status(), error.message())
        return
    raise AssertionError(f"not refused: {text}")


assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("simple") and not client.is_model_ready("absent")
assert {"binary_tensor_data", "model_repository", "statistics", "schedule_policy"} <= set(client.get_server_metadata()["extensions"])
metadata = client.get_model_metadata("simple")
assert [i["name"] for i in metadata["inputs"]] == ["INPUT0", "INPUT1"] and metadata["inputs"][0]["shape"] == [-1, 16], metadata

config = client.get_model_config("simple")
assert config["max_batch_size"] > 0 and config["input"][0]["dims"] == [16] and config["input"][0]["data_type"] == "TYPE_INT32", config

first = np.arange(16, dtype=np.int32).reshape(1, 16)
second = np.full((1, 16), 7, dtype=np.int32)


def check_simple(result):
    assert (result.as_numpy("OUTPUT0") == first + second).all() and (result.as_numpy("OUTPUT1") == first - second).all()


# Binary both ways is the default; then JSON both ways, mixed, and compressed bodies.
for binary_in in (True, False):
    inputs = [tensor("INPUT0", first, "INT32", binary_in), tensor("INPUT1", second, "INT32", binary_in)]
    check_simple(client.infer("simple", inputs))
    for binary_out in (True, False):
        outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("OUTPUT0", "OUTPUT1")]
        result = client.infer("simple", inputs, outputs=outputs, request_id="mine")
        check_simple(result)
        assert result.get_response()["id"] == "mine"
    for compression in ("gzip", "deflate"):
        check_simple(
            client.infer("simple", inputs, request_compression_algorithm=compression, response_compression_algorithm=compression)
        )
check_simple(client.infer("simple", inputs, model_version="1", priority=9, timeout=5_000_000))
# An answer that is long enough to be worth it comes back compressed.
many = np.zeros((256, 16), dtype=np.int32)
long = client.infer("simple", [tensor("INPUT0", many, "INT32"), tensor("INPUT1", many, "INT32")], response_compression_algorithm="gzip")
assert long.as_numpy("OUTPUT0").shape == (256, 16)
pending = [client.async_infer("simple", inputs) for _ in range(50)]
for request in pending:
    check_simple(request.get_result())

# Strings beyond ASCII, 64-bit integers beyond 2**53, booleans: unchanged, whichever way they travel.
text = np.array([["Zürich 🛫".encode(), b""]], dtype=np.object_)
whole = np.array([[2**63 - 1, -(2**63)]], dtype=np.int64)
flag = np.array([[True, False]])
for binary in (True, False):
    result = client.infer(
        "echo",
        [tensor("text", text, "BYTES", binary), tensor("whole", whole, "INT64", binary), tensor("flag", flag, "BOOL", binary)],
        outputs=[triton.InferRequestedOutput(name, binary_data=binary) for name in ("text_out", "whole_out", "flag_out")],
    )
    got = [item if isinstance(item, bytes) else item.encode() for item in result.as_numpy("text_out").flatten()]
    assert got == list(text.flatten()), got
    assert (result.as_numpy("whole_out") == whole).all() and (result.as_numpy("flag_out") == flag).all()

# NaN has no JSON; in binary it is a missing value to this model.
result = client.infer("logistic", [tensor("input", np.array([[1, 0.25], [math.nan, 0.25]], dtype=np.float32), "FP32")])
expected = [1 / (1 + math.exp(-(0.5 + part - 0.5))) for part in (1, 3)]
assert np.allclose(result.as_numpy("probability").flatten(), expected, atol=1e-6) and result.as_numpy("label").dtype == np.int64

stats = client.get_inference_statistics("simple")["model_stats"]
assert stats[0]["inference_stats"]["success"]["count"] >= 50 and stats[0]["execution_count"] <= stats[0]["inference_count"], stats
assert client.get_inference_statistics("logistic", "1")["model_stats"][0]["batch_stats"]
index = {model["name"]: model for model in client.get_model_repository_index()}
assert index["simple"]["state"] == "READY" and index["spare"]["state"] == "UNAVAILABLE", index
client.load_model("spare")
assert client.is_model_ready("spare")
client.unload_model("spare")
assert {model["name"]: model["state"] for model in client.get_model_repository_index()}["spare"] == "UNAVAILABLE"
refused(400, "keeps its model loaded", lambda: client.unload_model("simple"))
refused(400, "register a version instead", lambda: client.load_model("spare", config="{}"))

refused(404, "absent", lambda: client.infer("absent", inputs))
refused(404, "no version 9", lambda: client.infer("simple", inputs, model_version="9"))
refused(400, 'input "INPUT1" is missing', lambda: client.infer("simple", inputs[:1]))
refused(400, "expects INT32 [-1,16]", lambda: client.infer("simple", [inputs[0], tensor("INPUT1", second[:, :3], "INT32")]))
refused(400, 'output "nothing" is unknown', lambda: client.infer("simple", inputs, outputs=[triton.InferRequestedOutput("nothing")]))
client.close()
print(version("tritonclient"))
