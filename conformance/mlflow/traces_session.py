"""Traces through MLflow 3's own client, and spans as any OpenTelemetry exporter sends them.

Run as: traces_session.py <tracking uri>.
"""

import gzip
import os
import sys
import time
import uuid

from checks import check, done, refused, until

os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"

import mlflow
import requests
from mlflow.entities import AssessmentSource, SpanStatusCode
from mlflow.tracing.attachments import Attachment

URI = sys.argv[1]
mlflow.set_tracking_uri(URI)
client = mlflow.MlflowClient()
NAME = f"traces-{uuid.uuid4().hex[:8]}"
experiment = mlflow.set_experiment(NAME).experiment_id


# Decorated functions
@mlflow.trace(attributes={"kind": "sum"})
def add(a, b):
    return a + b


@mlflow.trace(name="answer")
def answer(question):
    with mlflow.start_span("look up", span_type="RETRIEVER") as span:
        span.set_inputs({"question": question})
        span.set_attribute("hits", 3)
        span.set_outputs(["größer", {"nested": [1, 2.5, None, True]}])
    mlflow.update_current_trace(tags={"topic": "flights"}, client_request_id=f"req-{question}")
    return add(1, len(question))


check("a traced function answers as it did", answer("why") == 4)
first = mlflow.get_last_active_trace_id()
until("its trace is there", lambda: client.get_trace(first) is not None)
trace = client.get_trace(first)
check("with its spans", sorted(span.name for span in trace.data.spans) == ["add", "answer", "look up"])
root = next(span for span in trace.data.spans if span.parent_id is None)
looked = next(span for span in trace.data.spans if span.name == "look up")
check("in their order", root.name == "answer" and looked.parent_id == root.span_id and looked.span_type == "RETRIEVER")
check("with what went in and out", (root.inputs, root.outputs) == ({"question": "why"}, 4))
check("and nested values", looked.outputs == ["größer", {"nested": [1, 2.5, None, True]}] and looked.get_attribute("hits") == 3)
check("it says how it ended", trace.info.state == "OK" and trace.info.execution_duration is not None)
check("its tags and request id are read back", (trace.info.tags["topic"], trace.info.client_request_id) == ("flights", "req-why"))
check("its previews are read back", "why" in trace.info.request_preview and trace.info.response_preview == "4")
check("its spans are kept by the server, not in a file", trace.info.tags.get("mlflow.trace.spansLocation") == "TRACKING_STORE")


@mlflow.trace
def fail():
    raise ValueError("no such flight")


try:
    fail()
except ValueError:
    pass
failed = mlflow.get_last_active_trace_id()
broken = client.get_trace(failed)
check("a function that fails has a trace that says so", broken.info.state == "ERROR" and broken.data.spans[0].status.status_code == SpanStatusCode.ERROR)
check("with the exception", any(event.name == "exception" for event in broken.data.spans[0].events))

# What is said of a trace while it goes on comes with the account of it
@mlflow.trace
def judged():
    mlflow.log_feedback(trace_id=mlflow.get_active_trace_id(), name="during", value=True)
    mlflow.log_expectation(trace_id=mlflow.get_active_trace_id(), name="wanted", value={"a": [1]})
    return Attachment(content_type="image/png", content_bytes=b"PNG")


def found_of(name):
    return mlflow.search_traces(locations=[experiment], filter_string=f"name = '{name}'", return_type="list")


judged()
[judged_trace] = found_of("judged")
assessed = {one.name: one for one in judged_trace.info.assessments}
check("feedback given while a trace went on is kept", assessed["during"].value is True and assessed["wanted"].value == {"a": [1]})
check("the root of a trace is its first span", found_of("answer")[0].data.spans[0].name == "answer" and trace.data.spans[0].name == "answer")
attached = Attachment.parse_ref(judged_trace.data.spans[0].outputs)
read = requests.get(
    f"{URI}/ajax-api/3.0/mlflow/get-trace-artifact", params={"request_id": attached["trace_id"], "path": attached["attachment_id"]}, timeout=10
)
check("an attachment of a trace is read back", read.content == b"PNG")
client.delete_traces(experiment, trace_ids=[judged_trace.info.trace_id])

# In a run
with mlflow.start_run() as active:
    answer("who")
in_run = mlflow.get_last_active_trace_id()


# Searching
def search(text=None, **more):
    return [found.info.trace_id for found in mlflow.search_traces(locations=[experiment], filter_string=text, return_type="list", **more)]


check("traces are found, the newest first", search() == [in_run, failed, first])
check("by status", search("attributes.status = 'ERROR'") == [failed])
check("by tag", search("tags.topic = 'flights'") == [in_run, first])
check("by name", search("attributes.name = 'fail'") == [failed])
check("by name like", search("trace.name LIKE 'ans%'") == [in_run, first])
check("by a regular expression", search("trace.name RLIKE '^ans.*r$'") == [in_run, first] and search("span.name RLIKE '^LOOK'") == [])
refused("a wrong regular expression", "INVALID_PARAMETER_VALUE", lambda: search("trace.name RLIKE '('"))
check("by run", search(run_id=active.info.run_id) == [in_run])
check("by time", search(f"timestamp_ms > {int(time.time() * 1000) + 60000}") == [])
check("by request id", search("trace.client_request_id = 'req-why'") == [first])
check("by metadata", search(f"metadata.`mlflow.sourceRun` = '{active.info.run_id}'") == [in_run])
check("by span", search("span.name = 'look up' AND span.type = 'RETRIEVER'") == [in_run, first] and search("span.status = 'ERROR'") == [failed])
check("by an attribute of a span", search("span.attributes.hits = '3'") == [in_run, first])
check("by whether a tag is there", search("tags.topic IS NULL") == [failed] and search("tags.topic IS NOT NULL") == [in_run, first])
check("in the order of a tag", search(order_by=["tags.topic", "timestamp_ms ASC"]) == [first, in_run, failed])
check("in another order", search(order_by=["timestamp_ms ASC"]) == [first, failed, in_run])
page = client.search_traces(locations=[experiment], max_results=2)
rest = client.search_traces(locations=[experiment], max_results=2, page_token=page.token)
check("pages follow one another", [t.info.trace_id for t in [*page, *rest]] == [in_run, failed, first] and rest.token is None)
check("with their spans", all(len(t.data.spans) > 0 for t in page))
check("as a table", len(mlflow.search_traces(locations=[experiment])) == 3)
refused("an unknown attribute", "INVALID_PARAMETER_VALUE", lambda: search("attributes.colour = 'red'"))
refused("a trace that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.set_trace_tag("tr-" + "0" * 32, "a", "b"))

# Tags and assessments
client.set_trace_tag(first, "checked", "yes")
check("a tag is set", client.get_trace(first).info.tags["checked"] == "yes" and search("tags.checked = 'yes'") == [first])
client.delete_trace_tag(first, "checked")
check("and taken away", "checked" not in client.get_trace(first).info.tags and search("tags.checked = 'yes'") == [])
source = AssessmentSource(source_type="HUMAN", source_id="ann")
feedback = mlflow.log_feedback(trace_id=first, name="correct", value=True, rationale="checked by hand", source=source)
expectation = mlflow.log_expectation(trace_id=first, name="expected", value={"answer": 4}, source=source)
read = {assessment.name: assessment for assessment in client.get_trace(first).info.assessments}
check("feedback is read back", (read["correct"].value, read["correct"].rationale, read["correct"].source.source_id) == (True, "checked by hand", "ann"))
check("an expectation is read back", read["expected"].value == {"answer": 4})
check("an assessment is read by its id", mlflow.get_assessment(first, feedback.assessment_id).value is True)
mlflow.update_assessment(first, feedback.assessment_id, mlflow.entities.Feedback(name="correct", value=False))
check("a trace is found by its feedback", search("feedback.correct = 'false'") == [first] and search("feedback.correct IS NULL") == [in_run, failed])
check("an assessment is changed", mlflow.get_assessment(first, feedback.assessment_id).value is False)
later = mlflow.override_feedback(trace_id=first, assessment_id=feedback.assessment_id, value=True, source=source)
check("and overridden", (mlflow.get_assessment(first, feedback.assessment_id).valid, later.overrides) == (False, feedback.assessment_id))
mlflow.delete_assessment(first, later.assessment_id)
check("and valid again without the other", mlflow.get_assessment(first, feedback.assessment_id).valid)
mlflow.delete_assessment(first, expectation.assessment_id)
check("and deleted", "expected" not in [a.name for a in client.get_trace(first).info.assessments])

# Spans from elsewhere: JSON with hex ids, protobuf, compressed
trace_id, span_id = uuid.uuid4().hex, uuid.uuid4().hex[:16]
now = time.time_ns()
span = {
    "traceId": trace_id,
    "spanId": span_id,
    "name": "GET /flights",
    "kind": 2,
    "startTimeUnixNano": str(now - 5_000_000),
    "endTimeUnixNano": str(now),
    "attributes": [{"key": "http.status", "value": {"intValue": "200"}}],
    "status": {},
}
otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
headers = {"x-mlflow-experiment-id": experiment}
answer_ = requests.post(f"{URI}/v1/traces", json=otlp, headers=headers, timeout=10)
check("an exporter's JSON is taken", answer_.status_code == 200 and answer_.json() == {})
foreign = client.get_trace(f"tr-{trace_id}")
check("and is a trace of its own", (foreign.info.state, foreign.info.execution_duration, foreign.data.spans[0].name) == ("OK", 5, "GET /flights"))
check("that is found by its name", search("name = 'GET /flights'") == [f"tr-{trace_id}"])

inferred = {
    **span,
    "traceId": uuid.uuid4().hex,
    "attributes": [
        {"key": key, "value": {"stringValue": value}}
        for key, value in {"openinference.span.kind": "LLM", "input.value": '{"q": 1}', "output.value": "yes", "session.id": "s-1"}.items()
    ]
    + [{"key": f"gen_ai.usage.{which}_tokens", "value": {"intValue": "3"}} for which in ("input", "output")],
}
answer_ = requests.post(f"{URI}/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": [inferred]}]}]}, headers=headers, timeout=10)
heard = client.get_trace(f"tr-{inferred['traceId']}")
one = heard.data.spans[0]
check("what OpenInference says of a span is read as MLflow's", (one.span_type, one.inputs, one.outputs) == ("LLM", {"q": 1}, "yes"))
check("its tokens too", heard.info.token_usage == {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6})
check("and the session of its trace", search("metadata.`mlflow.trace.session` = 's-1'") == [heard.info.trace_id])
client.delete_traces(experiment, trace_ids=[heard.info.trace_id])

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: E402

request = ExportTraceServiceRequest()
made = request.resource_spans.add().scope_spans.add().spans.add()
made.trace_id, made.span_id, made.parent_span_id = bytes.fromhex(trace_id), os.urandom(8), bytes.fromhex(span_id)
made.name, made.start_time_unix_nano, made.end_time_unix_nano = "SELECT", now - 3_000_000, now - 1_000_000
made.attributes.add(key="rows").value.int_value = -7
made.attributes.add(key="share").value.double_value = 0.25
made.attributes.add(key="columns").value.array_value.values.add().string_value = "größe"
body = gzip.compress(request.SerializeToString())
more = {**headers, "content-type": "application/x-protobuf", "content-encoding": "gzip"}
check("an exporter's compressed protobuf is taken", requests.post(f"{URI}/v1/traces", data=body, headers=more, timeout=10).status_code == 200)
joined = {span.name: span for span in client.get_trace(f"tr-{trace_id}").data.spans}
check("and joins its trace", joined["SELECT"].parent_id == span_id)
check("with its attributes", [joined["SELECT"].get_attribute(key) for key in ["rows", "share", "columns"]] == [-7, 0.25, ["größe"]])
for what, wrong in [
    ("without an experiment", {"json": otlp}),
    ("of an experiment that is not there", {"json": otlp, "headers": {"x-mlflow-experiment-id": "99999"}}),
    ("cut short", {"data": request.SerializeToString()[:-3], "headers": {**headers, "content-type": "application/x-protobuf"}}),
    ("with an id too short", {"json": {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "spanId": "12"}]}]}]}, "headers": headers}),
    ("that are text", {"data": "hello", "headers": {**headers, "content-type": "text/plain"}}),
]:
    answered = requests.post(f"{URI}/v1/traces", timeout=10, **wrong)
    check(f"spans {what} are refused in words ({answered.json()['message'][:60]})", answered.status_code in (400, 404))

# What people look for in spans, and figures of many traces
check("a trace is found by the text of its spans", search("trace.text LIKE '%share: 0.25%'") == [f"tr-{trace_id}"])
check("whatever the case", search("trace.text ILIKE '%get /FLIGHTS%'") == [f"tr-{trace_id}"])
check("the words of the format are not in it", search("trace.text LIKE '%stringValue%'") == [])
error = refused("the text of a trace by equality", "INVALID_PARAMETER_VALUE", lambda: search("trace.text = 'x'"))
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType  # noqa: E402
from mlflow.tracing.client import TracingClient  # noqa: E402

tracing = TracingClient(URI)
found = tracing.calculate_trace_filter_correlation([experiment], "name = 'GET /flights'", "trace.text LIKE '%share: 0.25%'")
check(
    "two properties are correlated",
    (found.filter1_count, found.filter2_count, found.joint_count, found.total_count, round(found.npmi, 9)) == (1, 1, 1, len(search()), 1.0),
)


def figures(view, metric, kind, at=None, **more):
    asked = [MetricAggregation(aggregation_type=kind, **({} if at is None else {"percentile_value": at}))]
    return tracing.store.query_trace_metrics([experiment], view, metric, asked, **more)


counted = figures(MetricViewType.TRACES, "trace_count", AggregationType.COUNT, dimensions=["trace_status"])
check("traces are counted by their status", sum(point.values["COUNT"] for point in counted) == len(search()))
[latency] = figures(MetricViewType.TRACES, "latency", AggregationType.PERCENTILE, 50, filters=["trace.text LIKE '%share: 0.25%'"])
check("their latency has percentiles", latency.values == {"P50.0": 5.0})
spans = figures(MetricViewType.SPANS, "latency", AggregationType.MAX, dimensions=["span_name"])
check("and that of their spans", {p.dimensions["span_name"]: p.values["MAX"] for p in spans}["SELECT"] == 2.0)
by_day = figures(MetricViewType.TRACES, "trace_count", AggregationType.COUNT, time_interval_seconds=86400)
check("by time too", by_day[0].dimensions["time_bucket"].endswith("T00:00:00+00:00"))
refused("a measure nobody takes", "INVALID_PARAMETER_VALUE", lambda: figures(MetricViewType.SPANS, "total_cost", AggregationType.MAX))
kept = requests.get(f"{URI}/ajax-api/2.0/mlflow/get-trace-artifact", params={"request_id": first}, timeout=10)
data = mlflow.entities.TraceData.from_dict(kept.json())
check("a trace's file is read as the client writes it", [s.to_dict() for s in data.spans] == [s.to_dict() for s in client.get_trace(first).data.spans])

# Deleting
check("a trace is deleted", client.delete_traces(experiment, trace_ids=[failed]) == 1 and failed not in search())
check("and older ones by time", client.delete_traces(experiment, max_timestamp_millis=int(time.time() * 1000) + 1000, max_traces=100) == 3 and search() == [])
done()
