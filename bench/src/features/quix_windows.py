"""One Quix Streams application: flights from a topic, by the record's key: count and sum of the delays in 5-minute tumbling windows, or
count, mean and greatest delay in sliding windows of 1, 6 and 24 hours.

Ends when no event has come for a while, and prints how many events it has processed, when the first and the last of them were (seconds
since the epoch), and how many window results came out.
"""
import argparse
import json
import time
from datetime import timedelta

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Mean, Sum

parser = argparse.ArgumentParser()
for name in ("brokers", "topic", "group", "state"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--idle", type=float, default=3.0)
parser.add_argument("--windows", choices=("tumbling", "sliding"), default="tumbling")
parser.add_argument("--emit", choices=("final", "current"), default="final")
parser.add_argument("--changelog", action="store_true")
options = parser.parse_args()

seen = {"events": 0, "first": 0.0, "last": 0.0, "results": 0}


def processed(topic, partition, offset):
    seen["last"] = time.time()
    if seen["events"] == 0:
        seen["first"] = seen["last"]
    seen["events"] += 1


def result(value):
    seen["results"] += 1


app = Application(
    broker_address=options.brokers,
    consumer_group=options.group,
    state_dir=options.state,
    auto_offset_reset="earliest",
    use_changelog_topics=options.changelog,
    on_message_processed=processed,
    loglevel="WARNING",
)
topic = app.topic(
    options.topic,
    value_deserializer="json",
    key_deserializer="str",
    timestamp_extractor=lambda value, headers, timestamp, kind: value["departed"],
)
flights = app.dataframe(topic)
if options.windows == "tumbling":
    defined = [flights.tumbling_window(timedelta(minutes=5)).agg(flights=Count(), delay=Sum(column="delay"))]
else:
    defined = [
        flights.sliding_window(timedelta(hours=hours)).agg(flights=Count(), delay_mean=Mean(column="delay"), delay_max=Max(column="delay"))
        for hours in (1, 6, 24)
    ]
for windows in defined:
    (windows.final() if options.emit == "final" else windows.current()).update(result)

# Stops by itself when nothing new has come for so long.
app.run(timeout=options.idle, collect=False)
print(json.dumps(seen))
