"""One session of NVIDIA's own gRPC client against a Millrace gateway. Any surprise raises; the last line is the client's version."""

import queue
import sys
from importlib.metadata import version

import ml_dtypes
import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

client = triton.InferenceServerClient(sys.argv[1])


def tensor(name, values, datatype=None):
    made = triton.InferInput(name, list(values.shape), datatype or np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values)
    return made


def refused(status, text, act):
    try:
        act()
    except InferenceServerException as error:
        assert text in error.message() and error.status() == f"StatusCode.{status}", (error.status(), error.message())
        return
    raise AssertionError(f"not refused: {text}")


assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("simple") and client.is_model_ready("simple", "1")
refused("NOT_FOUND", "absent", lambda: client.is_model_ready("absent"))
assert {"binary_tensor_data", "model_repository", "statistics", "schedule_policy"} <= set(client.get_server_metadata().extensions)
metadata = client.get_model_metadata("simple", as_json=True)
assert [i["name"] for i in metadata["inputs"]] == ["INPUT0", "INPUT1"] and metadata["inputs"][0]["shape"] == ["-1", "16"], metadata
config = client.get_model_config("simple").config
assert config.max_batch_size > 0 and list(config.input[0].dims) == [16] and config.input[0].data_type == 8, config
assert config.HasField("dynamic_batching") and list(config.version_policy.specific.versions) == [1]

first = np.arange(16, dtype=np.int32).reshape(1, 16)
second = np.full((1, 16), 7, dtype=np.int32)
inputs = [tensor("INPUT0", first), tensor("INPUT1", second)]


def check_simple(result):
    assert (result.as_numpy("OUTPUT0") == first + second).all() and (result.as_numpy("OUTPUT1") == first - second).all()


result = client.infer("simple", inputs, request_id="mine", outputs=[triton.InferRequestedOutput(n) for n in ("OUTPUT0", "OUTPUT1")])
check_simple(result)
assert result.get_response().id == "mine" and result.get_response().parameters["prediction_id"].string_param
for compression in ("gzip", "deflate"):
    check_simple(client.infer("simple", inputs, compression_algorithm=compression))
check_simple(client.infer("simple", inputs, model_version="1", priority=1, timeout=5_000_000, client_timeout=10))

answers = queue.Queue()
for _ in range(50):
    client.async_infer("simple", inputs, callback=lambda result, error: answers.put((result, error)))
for _ in range(50):
    result, error = answers.get(timeout=30)
    assert error is None, error
    check_simple(result)

# A stream: answers in order, and an error in the middle ends nothing.
client.start_stream(callback=lambda result, error: answers.put((result, error)))
for index in range(20):
    client.async_stream_infer("simple" if index != 10 else "absent", inputs, request_id=str(index))
for index in range(20):
    result, error = answers.get(timeout=30)
    if index == 10:
        assert "absent" in error.message(), error
    else:
        assert error is None and result.get_response().id == str(index)
        check_simple(result)
client.stop_stream()

# Every datatype there and back, unchanged; half precision too.
limits = {
    "BOOL": [True, False],
    **{f"{kind}{bits}": [np.iinfo(f"{kind.lower()}{bits}").min, np.iinfo(f"{kind.lower()}{bits}").max] for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
    "BF16": [1.5, -3.0],
    "FP16": [65504, -(2.0**-24)],
    "FP32": [3.4028234e38, -np.inf],
    "FP64": [5e-324, np.nan],
    "BYTES": ["Zürich 🛫".encode(), b""],
}
numpy_types = {"BOOL": bool, "BF16": ml_dtypes.bfloat16, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64, "BYTES": np.object_}
arrays = {t: np.array([v], dtype=numpy_types.get(t, t.lower())) for t, v in limits.items()}
result = client.infer("types", [tensor(t, a, t) for t, a in arrays.items()])
for datatype, array in arrays.items():
    got = result.as_numpy(f"{datatype}_out")
    same = (got == array).all() if datatype == "BYTES" else np.array_equal(got, array, equal_nan=datatype.startswith("FP"))
    assert same and got.shape == array.shape, (datatype, got, array)

refused("NOT_FOUND", "absent", lambda: client.infer("absent", inputs))
refused("NOT_FOUND", "no version 9", lambda: client.infer("simple", inputs, model_version="9"))
refused("INVALID_ARGUMENT", 'input "INPUT1" is missing', lambda: client.infer("simple", inputs[:1]))
refused("INVALID_ARGUMENT", "expects INT32 [-1,16]", lambda: client.infer("simple", [inputs[0], tensor("INPUT1", second[:, :3])]))
refused("INVALID_ARGUMENT", 'output "nothing" is unknown', lambda: client.infer("simple", inputs, outputs=[triton.InferRequestedOutput("nothing")]))


def infer_until_late():
    # gRPC looks at its timers once a millisecond, in which the gateway may well have answered.
    for _ in range(1_000):
        client.infer("simple", inputs, client_timeout=1e-6)


refused("DEADLINE_EXCEEDED", "", infer_until_late)

stats = client.get_inference_statistics("simple", as_json=True)["model_stats"]
assert len(stats) == 1 and int(stats[0]["inference_stats"]["success"]["count"]) >= 74 and int(stats[0]["inference_stats"]["fail"]["count"]) >= 2, stats
assert int(stats[0]["execution_count"]) <= int(stats[0]["inference_count"]) and stats[0]["batch_stats"], stats
assert {s["name"] for s in client.get_inference_statistics(as_json=True)["model_stats"]} >= {"simple", "types"}

index = {m.name: m for m in client.get_model_repository_index().models}
assert index["simple"].state == "READY" and index["spare"].state == "UNAVAILABLE", index
client.load_model("spare")
assert {m.name: m.state for m in client.get_model_repository_index().models}["spare"] == "READY"
client.unload_model("spare")
assert {m.name: m.state for m in client.get_model_repository_index().models}["spare"] == "UNAVAILABLE"
refused("FAILED_PRECONDITION", "keeps its model loaded", lambda: client.unload_model("simple"))
refused("FAILED_PRECONDITION", "register a version instead", lambda: client.load_model("spare", config="{}"))
refused("NOT_FOUND", "absent", lambda: client.load_model("absent"))
client.close()
print(version("tritonclient"))
