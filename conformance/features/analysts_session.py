"""What an analyst asks of the views, through clickhouse-connect and pandas; prints one JSON object.

usage: analysts_session.py CLICKHOUSE_URL
"""
import json
import sys
from urllib.parse import urlparse

import clickhouse_connect

url = urlparse(sys.argv[1])
client = clickhouse_connect.get_client(host=url.hostname, port=url.port, database="millrace")

events = client.query_df("SELECT id, fare FROM events_trips ORDER BY id")
over_time = client.query_df("SELECT event_time, trips_1h, last_fare FROM features_city_fares WHERE city = 'Bern' ORDER BY event_time")
engine = client.query_df("SELECT at, number FROM feature_values WHERE view = 'city_fares' AND feature = 'trips_1h' AND JSONExtractString(entity, 'city') = 'Bern' ORDER BY at")
comments = client.query_df("SELECT name, comment FROM system.columns WHERE database = 'millrace' AND table = 'features_city_fares'")
served = client.query_df("SELECT count() AS n FROM served_features")

print(
    json.dumps(
        {
            "client": clickhouse_connect.__version__ if hasattr(clickhouse_connect, "__version__") else clickhouse_connect.common.version(),
            "events": events.values.tolist(),
            "trips_1h": [int(one) for one in over_time["trips_1h"]],
            "last_fare": [float(one) for one in over_time["last_fare"]],
            "engine": [int(one) for one in engine["number"]],
            "comments": dict(zip(comments["name"], comments["comment"])),
            "served": int(served["n"][0]),
        }
    )
)
