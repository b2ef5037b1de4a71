"""python feast_pages.py URL: what the how-to says with Feast's client, in an empty working directory."""

from datetime import datetime, timedelta, timezone
from os import path

from pages import ROOT, Page, done, url

import pandas
from feast.cli.cli import cli

page = Page("use-from-feast.md")
with open(path.join(ROOT, "docs/how-to/use-from-feast.md"), encoding="utf-8") as file:
    repository = next(block for block in file.read().split("```") if "# feature_store.yaml" in block)
with open("feature_store.yaml", "w", encoding="utf-8") as file:
    file.write(repository.removeprefix("yaml\n").replace("http://localhost:8080", url))
with open("features.py", "w", encoding="utf-8") as file:
    file.write(page.source(0)[1])
# `feast apply`, in this process: what it imports takes longer than all it does.
cli(["apply"], standalone_mode=False)

now = datetime.now(timezone.utc) - timedelta(seconds=2)
rows = {"driver_id": [1001], "event_timestamp": [now], "created": [now], "conv_rate": [0.5], "trips": [7]}
before = page.type(1)["answer"].to_dict()
assert before == {"driver_id": [1001, 1002], "conv_rate": [None, None], "trips": [None, None]}, before
page.names["frame"] = pandas.DataFrame(rows)
page.type(2)
after = page.names["store"].get_online_features(["driver_stats:conv_rate", "driver_stats:trips"], [{"driver_id": 1001}]).to_dict()
assert after == {"driver_id": [1001], "conv_rate": [0.5], "trips": [7]}, after

done()
