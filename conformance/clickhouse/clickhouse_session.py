"""A session of clickhouse-connect, the official Python client, against a writable and a read-only port. Fails with an AssertionError."""
import datetime
import ipaddress
import json
import sys
import uuid
from decimal import Decimal

import clickhouse_connect
import pandas
from clickhouse_connect import common
from clickhouse_connect.driver.exceptions import DatabaseError, ProgrammingError

WRITABLE, READ_ONLY = sys.argv[1:3]


def connect(url, **options):
    host, port = url.removeprefix("http://").split(":")
    return clickhouse_connect.get_client(host=host, port=int(port), **options)


def refused(code, action):
    try:
        action()
    except DatabaseError as error:
        assert f"ode: {code}" in str(error) or f"code {code}" in str(error), f"expected {code}: {error}"
        return
    raise AssertionError(f"was not refused with {code}")


ROW = [
    7, "é☃", None, 1.5, Decimal("12.34"), datetime.date(2001, 2, 3),
    datetime.datetime(2001, 2, 3, 4, 5, 6, 789000), ["a", "b"], {"k": 1}, ("x", 2),
    uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), ipaddress.IPv4Address("10.0.0.1"), "low", True,
]
COLUMNS = [
    "i UInt64", "s String", "n Nullable(Int32)", "f Float64", "d Decimal(9, 2)", "day Date", "at DateTime64(3, 'UTC')", "l Array(String)",
    "m Map(String, UInt8)", "t Tuple(String, UInt8)", "u UUID", "ip IPv4", "c LowCardinality(String)", "b Bool",
]

# Writing, in every compression the client knows.
for compression in (False, "lz4", "zstd", "gzip", "br"):
    writer = connect(WRITABLE, compress=compression, username="default", password="")
    writer.command(f"CREATE OR REPLACE TABLE kinds ({', '.join(COLUMNS)}) ENGINE = MergeTree ORDER BY i")
    names = [column.split(" ")[0] for column in COLUMNS]
    summary = writer.insert("kinds", [ROW] * 10_000, column_names=names)
    assert summary.written_rows == 10_000, summary.summary
    result = writer.query("SELECT * FROM kinds")
    assert result.row_count == 10_000
    assert [v.replace(tzinfo=None) if isinstance(v, datetime.datetime) else v for v in result.result_rows[0]] == ROW, result.result_rows[0]
    with writer.query_row_block_stream("SELECT number FROM numbers(200000)") as stream:
        assert sum(len(block) for block in stream) == 200_000
    writer.close()

writer = connect(WRITABLE)
frame = pandas.DataFrame({"a": range(1000), "b": [f"row {n}" for n in range(1000)]})
writer.command("CREATE OR REPLACE TABLE frames (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
writer.insert_df("frames", frame)
back = writer.query_df("SELECT * FROM frames ORDER BY a")
assert list(back["b"]) == list(frame["b"])
assert writer.command("SELECT count() FROM frames") == 1000
assert writer.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 4711}).first_row[0] == 4711
assert writer.query("SELECT {a:Int32} + {b:Int32}", parameters={"a": 1, "b": 2}).first_row == (3,)
assert writer.query("SELECT %(text)s", parameters={"text": "it's"}).first_row == ("it's",)
assert writer.raw_query("SELECT 1 AS a", fmt="JSONEachRow") == b'{"a":1}\n'
assert writer.raw_query("SELECT 1 AS a", fmt="Parquet")[:4] == b"PAR1"
assert writer.query("SELECT 1", settings={"query_id": "mine"}).query_id == "mine"
refused(60, lambda: writer.query("SELECT * FROM missing"))
refused(62, lambda: writer.query("SELECT ((("))
assert writer.ping()

# Reading, as an analyst does.
reader = connect(READ_ONLY, database="millrace")
assert reader.command("SELECT currentDatabase()") == "millrace"
rows = reader.query("SELECT name, value FROM readings WHERE value >= {least:Float64} ORDER BY name", parameters={"least": 2})
assert rows.result_rows == [("b", 2.0), ("c", 3.0)], rows.result_rows
assert rows.column_names == ("name", "value")
assert reader.query_df("SELECT avg(value) AS mean FROM readings")["mean"][0] == 2.0
assert list(reader.query_np("SELECT value FROM readings ORDER BY value").ravel()) == [1.0, 2.0, 3.0]
nulls = "SELECT b.y FROM (SELECT 1 AS x) AS a LEFT JOIN (SELECT 2 AS x, 3 AS y) AS b USING x"
assert reader.query(nulls + " SETTINGS join_use_nulls = 1").first_row == (None,)
try:
    reader.query(nulls, settings={"join_use_nulls": 1})
    raise AssertionError("the client itself refuses settings on a read-only server")
except ProgrammingError:
    common.set_setting("invalid_setting_action", "send")
assert reader.query(nulls, settings={"join_use_nulls": 1}).first_row == (None,)

refused(164, lambda: reader.command("DROP TABLE readings"))
refused(164, lambda: reader.insert("readings", [["d", 4.0]], column_names=["name", "value"], column_type_names=["String", "Float64"]))
refused(164, lambda: reader.query("SELECT * FROM file('/etc/passwd', 'LineAsString')"))
refused(164, lambda: reader.query("SELECT file('/etc/passwd')"))
refused(164, lambda: reader.command("SET max_memory_usage = 0"))
refused(164, lambda: reader.query("SELECT 1", settings={"additional_result_filter": "0"}))
assert reader.command("SELECT count() FROM readings") == 3

print(json.dumps({"client": common.version(), "server": reader.server_version}))
