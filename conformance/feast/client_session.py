"""python client_session.py URL DIRECTORY: Feast's own client reads, pushes and writes through a feature server; prints what it saw."""

import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

os.environ["FEAST_USAGE"] = "False"

import pandas
import requests
from feast import FeatureStore
from feast.data_source import PushMode
from feast.errors import FeatureNameCollisionError, FeatureServiceNotFoundException, FeatureViewNotFoundException
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from feast_repo import config, definitions

url, directory = sys.argv[1:3]
store = FeatureStore(config=RepoConfig(**config(directory, url)))
store.apply(definitions(directory))
# In the past whatever the microseconds: what is of a later time than a read is not served to it.
now = (datetime.now(timezone.utc) - timedelta(seconds=2)).replace(microsecond=654321)
seen = {}


def drivers(ids, at, **columns):
    count = len(ids)
    rows = {
        "driver_id": ids,
        "event_timestamp": [at] * count,
        "created": [at] * count,
        "conv_rate": [0.5] * count,
        "rating": [0.1] * count,
        "trips": [7] * count,
        "city": ["Zürich"] * count,
        "active": [True] * count,
        "since": [datetime(2020, 1, 1, tzinfo=timezone.utc)] * count,
    }
    return pandas.DataFrame({**rows, **columns})


def statuses(response):
    names = list(response.proto.metadata.feature_names.val)
    return {
        name: [FieldStatus.Name(status) for status in vector.statuses]
        for name, vector in zip(names, response.proto.results)
    }


STATS = [f"driver_stats:{name}" for name in ("conv_rate", "rating", "trips", "city", "active", "since")]

# An id that no double holds, as ids often are.
LONG = 9007199254740993
store.push("driver_rows", drivers([1001, LONG], now, trips=[7, 9223372036854775807]))
response = store.get_online_features(STATS, [{"driver_id": 1001}, {"driver_id": LONG}, {"driver_id": 5}])
seen["pushed"] = response.to_dict()
seen["pushed_statuses"] = statuses(response)["trips"]

store.push("driver_rows", drivers([1002], now, conv_rate=[None]), to=PushMode.ONLINE)
store.push("driver_rows", drivers([1003], now - timedelta(days=3)))
response = store.get_online_features(STATS[:1], [{"driver_id": 1002}, {"driver_id": 1003}])
seen["null_and_expired"] = [response.to_dict()["conv_rate"], statuses(response)["conv_rate"]]

# The newer event stands whatever comes in last.
store.push("driver_rows", drivers([1001], now - timedelta(hours=1), trips=[1]))
seen["older_push"] = store.get_online_features(STATS[2:3], [{"driver_id": 1001}]).to_dict()["trips"]
store.push("driver_rows", drivers([1001], now + timedelta(milliseconds=-1), trips=[2]))
store.push("driver_rows", drivers([1001], now, trips=[8]))
seen["corrected"] = store.get_online_features(STATS[2:3], [{"driver_id": 1001}]).to_dict()["trips"]

routes = pandas.DataFrame(
    {
        "origin": ["1", "12"],
        "destination": ["23", "3"],
        "event_timestamp": [now, now],
        "created": [now, now],
        "flights": [3, 4],
        "delay": [1.5, -2.0],
    }
)
store.write_to_online_store("route_stats", routes)
keys = [{"origin": "1", "destination": "23"}, {"origin": "12", "destination": "3"}, {"origin": "123", "destination": ""}]
response = store.get_online_features(["route_stats:flights", "route_stats:delay"], keys)
seen["composite"] = response.to_dict()
seen["composite_types"] = [value.WhichOneof("val") for vector in response.proto.results for value in vector.values[:1]]
seen["composite_statuses"] = statuses(response)["flights"]
seen["service"] = store.get_online_features(store.get_feature_service("route_service"), keys[:1]).to_dict()

notes = pandas.DataFrame(
    {"driver_id": [1001], "event_timestamp": [now], "created": [now], "city": ["Bern"], "stars": [5]}
)
store.write_to_online_store("driver_notes", notes)
both = ["driver_stats:city", "driver_notes:city"]
seen["full_names"] = store.get_online_features(both, [{"driver_id": 1001}], full_feature_names=True).to_dict()
# What the client does where it resolves views itself: one call per view.
view = store.get_feature_view("driver_notes")
key = EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=1001)])
[(read_at, read)] = store._get_provider().online_read(store.config, view, [key], ["city", "stars"])
seen["online_read"] = [str(read_at), read["city"].string_val, read["stars"].int32_val]


def error_of(call):
    started = time.monotonic()
    try:
        call()
    except Exception as error:
        return [type(error).__name__, str(error), time.monotonic() - started < 1]
    return None


seen["errors"] = {
    "collision": error_of(lambda: store.get_online_features(both, [{"driver_id": 1001}])),
    "no_view": error_of(lambda: store.get_online_features(["nothing:x"], [{"driver_id": 1001}])),
    "no_feature": error_of(lambda: store.get_online_features(["driver_stats:x"], [{"driver_id": 1001}])),
    "no_key": error_of(lambda: store.get_online_features(STATS, [{"other": 1}])),
    "bad_key": error_of(lambda: store.get_online_features(STATS, [{"driver_id": "x"}])),
    "not_materialized": error_of(lambda: store.materialize(now, now - timedelta(days=1), ["route_stats"])),
    "documents": error_of(lambda: store.retrieve_online_documents_v2(features=["driver_stats:city"], query=[1.0], top_k=1)),
}
assert FeatureNameCollisionError and FeatureViewNotFoundException and FeatureServiceNotFoundException

store.materialize(now - timedelta(days=1), now, ["route_stats"])
store.materialize(now - timedelta(days=1), now)
store.materialize_incremental(now, ["driver_stats", "driver_notes"])
store.materialize_incremental(now, run_async=True)
store.materialize_incremental(now, run_async=True, force=True)

row = {"driver_id": [77], "event_timestamp": [now.isoformat()], "city": ["Chur"], "stars": [2]}
seen["push_to"] = []
for to in ("online", "offline", "online_and_offline"):
    answer = requests.post(f"{url}/push", json={"push_source_name": "note_rows", "df": row, "to": to})
    seen["push_to"].append([answer.status_code, answer.text])
seen["read_after_push"] = store.get_online_features(["driver_notes:city"], [{"driver_id": 77}]).to_dict()["city"]
seen["health"] = requests.get(f"{url}/health").status_code

print(json.dumps(seen))
