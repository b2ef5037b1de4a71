"""python feast_repo.py DIRECTORY REDIS FEATURES: a Feast repository with one view of so many floats of one entity, pushed into Redis."""

import json
import os
import sys
from datetime import timedelta

import pandas
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource
from feast.repo_config import RepoConfig
from feast.types import Float64, Int64
from feast.value_type import ValueType

directory, redis, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
features = [f"f{index}" for index in range(count)]
config = {
    "project": "bench",
    "provider": "local",
    "registry": os.path.join(directory, "registry.db"),
    "online_store": {"type": "redis", "connection_string": redis},
    "offline_store": {"type": "dask"},
    "entity_key_serialization_version": 3,
}
frame = pandas.DataFrame({"driver_id": [0], **{name: [0.5] for name in features}})
for column in ("event_timestamp", "created"):
    frame[column] = pandas.to_datetime(["2020-01-01"], utc=True)
path = os.path.join(directory, "rows.parquet")
frame.to_parquet(path)
batch = FileSource(name="rows_batch", path=path, timestamp_field="event_timestamp", created_timestamp_column="created")
rows = PushSource(name="rows", batch_source=batch)
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
schema = [Field(name="driver_id", dtype=Int64), *(Field(name=name, dtype=Float64) for name in features)]
view = FeatureView(name="stats", entities=[driver], ttl=timedelta(0), schema=schema, source=rows, online=True)
store = FeatureStore(config=RepoConfig(**config))
store.apply([driver, rows, view])
with open(os.path.join(directory, "feature_store.yaml"), "w") as file:
    json.dump(config, file)
