"""python frames_pages.py URL training-set | batch: what the how-tos say with pandas and polars. The set is printed, for the page's last block."""

import json
import sys

from pages import Page, done, url

import pandas

if sys.argv[2] == "training-set":
    rides = pandas.DataFrame({"city": ["Bern", "Nowhere"], "asked": pandas.to_datetime(["2026-01-31T12:30:00Z", "2026-01-31T12:30:00Z"])})
    page = Page("build-a-training-set.md", url=f"{url}/api/v1/training-sets", rides=rides)
    frame = page.type(0)["frame"]
    assert list(frame["last_fare"].fillna(-1)) == [12.5, -1], frame
    assert page.type(1)["frame"]["last_fare"].to_list() == [12.5, None]
    print(json.dumps(page.names["training_set"]))
else:
    rides = pandas.DataFrame({"distance": [2.0, -2.0], "delay_mean_6h": [2.0, -2.0], "departures_1h": [0.0, 0.0]})
    scored = Page("score-in-batches.md", url=f"{url}/api/v1/batch-jobs", rides=rides).type(0)["scored"]
    assert list(scored["label"]) == [1, 0], scored

done()
