"""What MLflow 3 clients do to configure the gateway to language models: secrets, model definitions, endpoints, what uses them.

Run as: gateway_session.py <tracking uri>.
"""

import json
import sys

from checks import check, done, refused

URI = sys.argv[1]
# The test looks for these in every file of the server.
FIRST, SECOND = "sk-first-0f1e2d3c4b5a69788796a5b4c3d2e1f0", "sk-second-a1b2c3d4e5f60718293a4b5c6d7e8f90"

import requests  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import (  # noqa: E402
    FallbackConfig,
    FallbackStrategy,
    GatewayEndpointModelConfig,
    GatewayEndpointTag,
    GatewayModelLinkageType,
    GatewayResourceType,
    RoutingStrategy,
)

client = MlflowClient(URI)
store = client._tracking_client.store
answers = []


def rest(method, path, api="ajax-api", **more):
    response = requests.request(method, f"{URI}/{api}/3.0/mlflow/{path}", timeout=10, **more)
    answers.append(response.text)
    return response


def model(definition, linkage="PRIMARY", **more):
    return GatewayEndpointModelConfig(definition.model_definition_id, GatewayModelLinkageType(linkage), **more)


# Secrets
config = rest("GET", "gateway/secrets/config").json()
check("secrets can be kept, under a key of this installation", config == {"secrets_available": True, "using_default_passphrase": False})
secret = store.create_gateway_secret("key", {"api_key": FIRST}, provider="openai", auth_config={"api_base": "https://models.example/v1"})
check("a secret is shown masked", secret.masked_values == {"api_key": "sk-...e1f0"})
check("with its settings", secret.auth_config == {"api_base": "https://models.example/v1"})
check("it is found by id and by name", store.get_secret_info(secret.secret_id) == store.get_secret_info(secret_name="key") == secret)
check("a short one shows nothing", store.create_gateway_secret("short", {"pin": "12345678"}).masked_values == {"pin": "***"})
refused("a second of the name", "RESOURCE_ALREADY_EXISTS", lambda: store.create_gateway_secret("key", {"api_key": SECOND}))
turned = store.update_gateway_secret(secret.secret_id, {"api_key": SECOND}, updated_by="bob")
check("its value is turned over", (turned.masked_values, turned.last_updated_by) == ({"api_key": "sk-...8f90"}, "bob"))
check("and its settings stay", turned.auth_config == secret.auth_config)
check("secrets are listed by provider", [s.secret_name for s in store.list_secret_infos(provider="openai")] == ["key"])
refused("one that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: store.get_secret_info("s-none"))
wrong = rest("POST", "gateway/secrets/create", json={"secret_name": "x", "secret_value": FIRST})
check("a value of the wrong shape is refused without it", wrong.status_code == 400 and FIRST not in wrong.text)

# Model definitions
small = store.create_gateway_model_definition("small", secret.secret_id, "openai", "gpt-4o-mini", created_by="ann")
large = store.create_gateway_model_definition("large", secret.secret_id, "openai", "gpt-4o")
check("a model definition names its secret", (small.secret_name, small.created_by) == ("key", "ann"))
refused("one without a secret", "RESOURCE_DOES_NOT_EXIST", lambda: store.create_gateway_model_definition("x", "s-none", "openai", "m"))
refused("a name that is taken", "RESOURCE_ALREADY_EXISTS", lambda: store.update_gateway_model_definition(small.model_definition_id, name="large"))
moved = store.update_gateway_model_definition(large.model_definition_id, provider="groq", model_name="llama-3.3-70b-versatile")
check("it is changed", (moved.name, moved.provider, moved.model_name) == ("large", "groq", "llama-3.3-70b-versatile"))
check("they are listed by provider", [d.name for d in store.list_gateway_model_definitions(provider="groq")] == ["large"])

# Endpoints
endpoint = store.create_gateway_endpoint(
    "chat",
    [model(small, weight=2.0), model(large, "FALLBACK", fallback_order=0)],
    routing_strategy=RoutingStrategy.REQUEST_BASED_TRAFFIC_SPLIT,
    fallback_config=FallbackConfig(FallbackStrategy.SEQUENTIAL, 2),
)
check("an endpoint leads to models", [m.model_definition.name for m in endpoint.model_mappings] == ["small", "large"])
check("with weights and an order", (endpoint.model_mappings[0].weight, endpoint.model_mappings[1].fallback_order) == (2.0, 0))
check("it is found by id and by name", store.get_gateway_endpoint(endpoint.endpoint_id) == store.get_gateway_endpoint(name="chat") == endpoint)
traces = client.get_experiment(endpoint.experiment_id)
check("its traces have an experiment", (traces.name, traces.tags["mlflow.experiment.sourceId"]) == ("gateway/chat", endpoint.endpoint_id))
plain = store.create_gateway_endpoint("plain", [model(large)], usage_tracking=False)
check("unless nobody wants any", (plain.experiment_id, plain.usage_tracking) == (None, False))
refused("a name that is taken", "RESOURCE_ALREADY_EXISTS", lambda: store.create_gateway_endpoint("chat", [model(small)]))
refused("a name with a slash", "INVALID_PARAMETER_VALUE", lambda: store.create_gateway_endpoint("a/b", [model(small)]))
refused("fallbacks alone", "INVALID_PARAMETER_VALUE", lambda: store.create_gateway_endpoint("x", [model(small, "FALLBACK")]))
check("what is refused leaves no experiment", client.get_experiment_by_name("gateway/x") is None)
renamed = store.update_gateway_endpoint(endpoint.endpoint_id, name="talk", updated_by="bob")
check("a new name changes nothing else", (renamed.name, renamed.last_updated_by, len(renamed.model_mappings)) == ("talk", "bob", 2))
refused("the same model twice", "RESOURCE_ALREADY_EXISTS", lambda: store.attach_model_to_endpoint(endpoint.endpoint_id, model(small)))
mapping = store.attach_model_to_endpoint(plain.endpoint_id, model(small))
check("a model is attached", mapping.mapping_id in {m.mapping_id for m in store.get_gateway_endpoint(plain.endpoint_id).model_mappings})
refused("what is in use", "INVALID_STATE", lambda: store.delete_gateway_model_definition(small.model_definition_id))
store.detach_model_from_endpoint(plain.endpoint_id, small.model_definition_id)
check("and detached", len(store.get_gateway_endpoint(plain.endpoint_id).model_mappings) == 1)
check("endpoints are listed by provider", {e.name for e in store.list_gateway_endpoints(provider="openai")} == {"talk"})
store.set_gateway_endpoint_tag(endpoint.endpoint_id, GatewayEndpointTag("team", "größe"))
store.set_gateway_endpoint_tag(endpoint.endpoint_id, GatewayEndpointTag("gone", "x"))
store.delete_gateway_endpoint_tag(endpoint.endpoint_id, "gone")
check("tags are kept", [(t.key, t.value) for t in store.get_gateway_endpoint(endpoint.endpoint_id).tags] == [("team", "größe")])

# What uses them
bound = store.create_endpoint_binding(endpoint.endpoint_id, GatewayResourceType.SCORER, "job-1", created_by="ann")
check("an endpoint is bound", (bound.resource_type, bound.created_by) == (GatewayResourceType.SCORER, "ann"))
check("and listed by what it is bound to", [b.endpoint_id for b in store.list_endpoint_bindings(resource_id="job-1")] == [endpoint.endpoint_id])
store.delete_endpoint_binding(endpoint.endpoint_id, "scorer", "job-1")
check("and unbound", store.list_endpoint_bindings(endpoint_id=endpoint.endpoint_id) == [])
experiment = client.create_experiment("judged")
judge = json.dumps({"instructions_judge_pydantic_data": {"model": "gateway:/talk"}})
scorer = store.register_scorer(experiment, "polite", judge)
store.register_scorer(experiment, "own", "{}")
online = store.upsert_online_scoring_config(experiment, "polite", 0.5, "status = 'OK'")
check("how much a scorer is to judge is kept", store.get_online_scoring_configs([scorer.scorer_id]) == [online])
online = store.upsert_online_scoring_config(experiment, "polite", 0.25)
check("the last word counts", [(c.sample_rate, c.filter_string) for c in store.get_online_scoring_configs([scorer.scorer_id])] == [(0.25, None)])
refused("more than all", "INVALID_PARAMETER_VALUE", lambda: store.upsert_online_scoring_config(experiment, "polite", 2))
refused("a filter that is none", "INVALID_PARAMETER_VALUE", lambda: store.upsert_online_scoring_config(experiment, "polite", 1, "moon = 1"))
refused("a scorer that calls no endpoint", "INVALID_PARAMETER_VALUE", lambda: store.upsert_online_scoring_config(experiment, "own", 1))

# What MLflow's UI asks
check("providers are known", {"openai", "bedrock", "ollama"} <= set(rest("GET", "gateway/supported-providers").json()["providers"]))
models = rest("GET", "gateway/supported-models", params={"provider": "openai"}).json()["models"]
check("and some of their models", {"model": "gpt-4o-mini", "provider": "openai", "mode": "chat"} in models)
asks = rest("GET", "gateway/provider-config", params={"provider": "bedrock"}).json()
check("and how one authenticates", [m["mode"] for m in asks["auth_modes"]] == ["api_key", "access_keys", "iam_role"])

# The end
store.delete_gateway_endpoint(plain.endpoint_id)
store.delete_gateway_secret(secret.secret_id)
orphan = store.get_gateway_endpoint(endpoint.endpoint_id).model_mappings[0].model_definition
check("a deleted secret leaves its models without one", (orphan.secret_id, orphan.secret_name) == (None, None))
for path in ("secrets/list", "model-definitions/list", "endpoints/list"):
    rest("GET", f"gateway/{path}", api="api")
check("no answer holds a value", not any(value in text for value in (FIRST, SECOND) for text in answers))
done()
