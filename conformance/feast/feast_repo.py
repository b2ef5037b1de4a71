"""python feast_repo.py DIRECTORY ONLINE_STORE: a Feast repository of the definitions in resources.yaml, applied and with the same rows.

ONLINE_STORE: `sqlite`, `redis://host:port`, or the http:// address of a feature server (then `remote`: nothing is written from here).
"""

import json
import os
import sys
from datetime import timedelta

os.environ["FEAST_USAGE"] = "False"

import pandas
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.repo_config import RepoConfig
from feast.types import Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp
from feast.value_type import ValueType


def online_store(directory, where):
    if where.startswith("http"):
        return {"type": "remote", "path": where}
    if where.startswith("redis://"):
        return {"type": "redis", "connection_string": where.removeprefix("redis://")}
    return {"type": "sqlite", "path": os.path.join(directory, "online.db")}


def config(directory, where):
    return {
        "project": "conformance",
        "provider": "local",
        "registry": os.path.join(directory, "registry.db"),
        "online_store": online_store(directory, where),
        "offline_store": {"type": "dask"},
        "entity_key_serialization_version": 3,
    }


def definitions(directory):
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    origin = Entity(name="origin_airport", join_keys=["origin"], value_type=ValueType.STRING)
    destination = Entity(name="destination_airport", join_keys=["destination"], value_type=ValueType.STRING)

    def pushed(name):
        path = os.path.join(directory, f"{name}.parquet")
        batch = FileSource(name=f"{name}_batch", path=path, timestamp_field="event_timestamp", created_timestamp_column="created")
        return PushSource(name=name, batch_source=batch)

    stats, routes, notes = pushed("driver_rows"), pushed("route_rows"), pushed("note_rows")
    driver_stats = FeatureView(
        name="driver_stats",
        entities=[driver],
        ttl=timedelta(days=1),
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name="conv_rate", dtype=Float64),
            Field(name="rating", dtype=Float32),
            Field(name="trips", dtype=Int64),
            Field(name="city", dtype=String),
            Field(name="active", dtype=Bool),
            Field(name="since", dtype=UnixTimestamp),
        ],
        source=stats,
        online=True,
    )
    driver_notes = FeatureView(
        name="driver_notes",
        entities=[driver],
        ttl=timedelta(0),
        schema=[Field(name="driver_id", dtype=Int64), Field(name="city", dtype=String), Field(name="stars", dtype=Int32)],
        source=notes,
        online=True,
    )
    route_stats = FeatureView(
        name="route_stats",
        entities=[origin, destination],
        ttl=timedelta(0),
        schema=[
            Field(name="origin", dtype=String),
            Field(name="destination", dtype=String),
            Field(name="flights", dtype=Int32),
            Field(name="delay", dtype=Float64),
        ],
        source=routes,
        online=True,
    )
    trip = RequestSource(name="trip", schema=[Field(name="distance", dtype=Float64), Field(name="extra", dtype=Int64)])

    @on_demand_feature_view(
        sources=[driver_stats[["conv_rate", "trips"]], trip],
        schema=[Field(name="per_km", dtype=Float64), Field(name="total", dtype=Int64), Field(name="is_far", dtype=Bool)],
        mode="python",
    )
    def driver_checks(inputs: dict) -> dict:
        pairs = list(zip(inputs["conv_rate"], inputs["distance"]))
        return {
            "per_km": [None if rate is None else rate / distance for rate, distance in pairs],
            "total": [None if trips is None else trips + extra for trips, extra in zip(inputs["trips"], inputs["extra"])],
            "is_far": [distance > 3 for distance in inputs["distance"]],
        }

    services = [
        FeatureService(name="checked_service", features=[driver_stats[["trips"]], driver_checks]),
        FeatureService(name="driver_service", features=[driver_stats[["conv_rate", "trips"]], driver_notes[["stars"]]]),
        FeatureService(name="route_service", features=[route_stats]),
    ]
    return [driver, origin, destination, stats, routes, notes, driver_stats, driver_notes, route_stats, driver_checks, *services]


def make(directory, where, rows):
    for name, columns in rows.items():
        frame = pandas.DataFrame(columns)
        for column in ("event_timestamp", "created", "since"):
            if column in frame:
                frame[column] = pandas.to_datetime(frame[column], utc=True, format="ISO8601")
        frame.to_parquet(os.path.join(directory, f"{name}.parquet"))
    store = FeatureStore(config=RepoConfig(**config(directory, where)))
    store.apply(definitions(directory))
    return store


if __name__ == "__main__":
    directory, where = sys.argv[1:3]
    rows = json.load(open(os.path.join(directory, "rows.json")))
    make(directory, where, rows)
    with open(os.path.join(directory, "feature_store.yaml"), "w") as file:
        json.dump(config(directory, where), file)
