"""One session of KServe's own REST client against a Millrace gateway. Any surprise raises; the last line is the client's version."""

import asyncio
import sys
from importlib.metadata import version

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


def request(values, binary):
    made = InferInput(name="input", shape=list(values.shape), datatype="FP32")
    made.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model_name="logistic", infer_inputs=[made], request_id="mine")


async def main():
    url = sys.argv[1]
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, "logistic")
    values = np.array([[1, 0.25], [0, 0]], dtype=np.float32)
    expected = 1 / (1 + np.exp(-np.array([1.0, 0.5])))
    for binary in (True, False):
        response = await client.infer(url, request(values, binary), model_name="logistic")
        assert response.id == "mine" and response.model_name == "logistic"
        probability = next(output for output in response.outputs if output.name == "probability").as_numpy()
        assert np.allclose(probability.flatten(), expected, atol=1e-6), probability
    await client.close()


asyncio.run(main())
print(version("kserve"))
