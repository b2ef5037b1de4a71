"""Training sets for pandas and polars users, as docs/how-to/build-a-training-set.md tells them: plain HTTP and Parquet."""

import io
import json
import sys
import urllib.error
import urllib.request

import pandas
import polars

url = sys.argv[1] + "/api/v1/training-sets"

rides = pandas.DataFrame(
    {
        "city": pandas.array(["Bern", "Zürich", "Bern", None, "Nowhere"], dtype="string"),
        "asked": pandas.to_datetime(
            ["2026-01-01T01:00:00Z", "2026-01-01T02:10:00Z", "2026-01-01T00:10:00Z", "2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z"]
        ),
        "tip": [0.5, None, 1.5, 2.0, 3.0],
        "paid": [1, 2, 3, 4, 5],
        "kind": pandas.Categorical(["a", "b", "a", "a", "b"]),
    }
)


def check(frame, columns):
    assert list(frame["paid"]) == [1, 2, 3, 4, 5], list(frame["paid"])
    for name, wanted in columns.items():
        found = [None if value is None or value != value else value for value in frame[name]]
        assert found == wanted, (name, found, wanted)


# pandas, three lines.
ask = urllib.request.Request(url + "?featureService=fares&timestampColumn=asked&wait=5m", rides.to_parquet(), {"content-type": "application/vnd.apache.parquet"})
training_set = json.load(urllib.request.urlopen(ask))
frame = pandas.read_parquet(f"{url}/{training_set['id']}/data")

wanted = {"last_fare": [7.0, 0.7, 2.5, None, None], "trips_1h": [1, 1, 1, None, None]}
check(frame, {"city": ["Bern", "Zürich", "Bern", None, "Nowhere"], "tip": [0.5, None, 1.5, 2.0, 3.0], "kind": ["a", "b", "a", "a", "b"], **wanted})
assert str(frame["asked"].dt.tz) == "UTC", frame.dtypes
assert list(frame["asked"]) == list(rides["asked"])

# Asked again, by CSV and as of a time long after: other rows in other clothes, the same values.
csv = urllib.request.Request(url + "?featureService=fares&timestampColumn=asked&wait=5m", rides.to_csv(index=False).encode(), {"content-type": "text/csv"})
check(pandas.read_parquet(f"{url}/{json.load(urllib.request.urlopen(csv))['id']}/data"), wanted)
again = json.load(urllib.request.urlopen(ask))
assert (again["id"], again["sha256"]) == (training_set["id"], training_set["sha256"])

# An index that is no range is written as a column, which is refused with the way to mend it.
indexed = urllib.request.Request(ask.full_url, rides.set_index(pandas.Index([5, 3, 4, 1, 2])).to_parquet(), {"content-type": "application/vnd.apache.parquet"})
try:
    urllib.request.urlopen(indexed)
    raise AssertionError("an index column was taken")
except urllib.error.HTTPError as error:
    refused = json.load(error)
    assert error.code == 422 and "index=False" in refused["detail"], refused

# polars, three lines: rows by SQL over the offline store, Arrow back.
body = {"featureService": "fares", "timestampColumn": "asked", "output": "arrow", "spine": {"sql": "SELECT city, at AS asked, row_number() OVER (ORDER BY id) AS paid FROM millrace.source_trips FINAL ORDER BY id LIMIT 5"}}
training_set = json.load(urllib.request.urlopen(urllib.request.Request(url + "?wait=5m", json.dumps(body).encode(), {"content-type": "application/json"})))
arrow = polars.read_ipc(io.BytesIO(urllib.request.urlopen(f"{url}/{training_set['id']}/data").read()))
check(arrow, {"last_fare": [2.5, 0.1, 7.0, 0.7, 4.0]})

# And polars' own Parquet there and back.
buffer = io.BytesIO()
polars.from_pandas(rides.drop(columns=["kind"])).write_parquet(buffer)
ask = urllib.request.Request(ask.full_url, buffer.getvalue(), {"content-type": "application/vnd.apache.parquet"})
check(polars.read_parquet(io.BytesIO(urllib.request.urlopen(f"{url}/{json.load(urllib.request.urlopen(ask))['id']}/data").read())), wanted)

print(json.dumps({"pandas": pandas.__version__, "polars": polars.__version__, "rows": len(frame)}))
