"""DuckDB's ASOF join of a spine with features, Parquet to Parquet; and a comparison of a result with another's."""

import argparse
import json
import time

import duckdb

parser = argparse.ArgumentParser()
parser.add_argument("--directory", required=True)
parser.add_argument("--features", type=int, required=True)
parser.add_argument("--spine", required=True)
parser.add_argument("--prepare", action="store_true")
parser.add_argument("--compare")
arguments = parser.parse_args()

connection = duckdb.connect()
connection.execute("set TimeZone = 'UTC'")
names = [f"f{index}" for index in range(arguments.features)]
features = f"{arguments.directory}/features.parquet"
spine = f"{arguments.directory}/{arguments.spine}"


def parquet_of_csv(source, target):
    connection.execute(f"copy (select * from read_csv('{source}')) to '{target}' (format parquet)")


if arguments.prepare:
    if arguments.spine == "spine-0":
        parquet_of_csv(f"{arguments.directory}/features.csv", features)
    parquet_of_csv(f"{spine}.csv", f"{spine}.parquet")
    print(json.dumps({"prepared": spine}))
elif arguments.compare:
    columns = ", ".join(["entity", "epoch_ms(asked) as asked", "label", *names])
    ours, theirs = f"select {columns} from '{arguments.compare}'", f"select {columns} from '{spine}-joined.parquet'"
    differing = connection.execute(f"select count(*) from ((({ours}) except all ({theirs})) union all (({theirs}) except all ({ours})))").fetchone()[0]
    filled = connection.execute(f"select count(f0) from '{arguments.compare}'").fetchone()[0]
    print(json.dumps({"differing": differing, "filled": filled}))
else:
    values = ", ".join(f"f.{name}" for name in names)
    join = f"select s.*, {values} from '{spine}.parquet' s asof left join '{features}' f on s.entity = f.entity and s.asked >= f.at"
    seconds = []
    # The second time everything is warm; the better one counts.
    for _ in range(2):
        started = time.perf_counter()
        connection.execute(f"copy ({join}) to '{spine}-joined.parquet' (format parquet)")
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": min(seconds)}))
