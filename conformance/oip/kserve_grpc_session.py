"""One session of KServe's own gRPC client against a Millrace gateway. Any surprise raises; the last line is the client's version."""

import asyncio
import logging
import sys
from importlib.metadata import version

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

# The SDK logs each refusal it raises.
logging.disable(logging.CRITICAL)


def request(model, tensors, binary):
    inputs = []
    for name, datatype, values in tensors:
        made = InferInput(name=name, shape=list(values.shape), datatype=datatype)
        made.set_data_from_numpy(values, binary_data=binary)
        inputs.append(made)
    return InferRequest(model_name=model, infer_inputs=inputs, request_id="mine")


async def refused(code, text, call):
    try:
        await call
    except grpc.RpcError as error:
        assert error.code() == code and text in error.details(), (error.code(), error.details())
        return
    raise AssertionError(f"not refused: {text}")


async def main():
    client = InferenceGRPCClient(sys.argv[1])
    assert await client.is_server_live() and await client.is_server_ready()
    assert await client.is_model_ready("logistic")
    await refused(grpc.StatusCode.NOT_FOUND, "absent", client.is_model_ready("absent"))
    values = np.array([[1, 0.25], [0, 0]], dtype=np.float32)
    expected = 1 / (1 + np.exp(-np.array([1.0, 0.5])))
    echo = [
        ("text", "BYTES", np.array([["Zürich 🛫".encode(), b""]], dtype=np.object_)),
        ("whole", "INT64", np.array([[2**63 - 1, -(2**63)]], dtype=np.int64)),
        ("flag", "BOOL", np.array([[True, False]])),
    ]
    # With binary off the SDK sends typed contents, and reads typed contents back.
    for binary in (True, False):
        response = await client.infer(request("logistic", [("input", "FP32", values)], binary))
        assert response.id == "mine" and response.model_name == "logistic" and response.model_version == "1"
        probability = next(output for output in response.outputs if output.name == "probability").as_numpy()
        assert np.allclose(probability.flatten(), expected, atol=1e-6), probability
        response = await client.infer(request("echo", echo, binary))
        for name, _, array in echo:
            got = next(output for output in response.outputs if output.name == f"{name}_out").as_numpy()
            assert (got == array).all(), (binary, name, got)
    await refused(
        grpc.StatusCode.INVALID_ARGUMENT, "expects FP32 [-1,2]", client.infer(request("logistic", [("input", "FP32", values[:, :1])], False))
    )
    await client.close()

    # KServe's repository calls put the model's name where Triton's put the repository's.
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        stub = GRPCInferenceServiceStub(channel)
        loaded = await stub.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name="spare"))
        assert loaded.model_name == "spare" and loaded.isLoaded
        unloaded = await stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="spare"))
        assert unloaded.model_name == "spare" and unloaded.isUnloaded


asyncio.run(main())
print(version("kserve"))
