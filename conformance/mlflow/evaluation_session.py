"""What MLflow 3 clients do to evaluate: datasets of cases, scorers, issues; and what MLflow's UI asks in GraphQL.

Run as: evaluation_session.py <tracking uri>.
"""

import json
import math
import sys

from checks import check, done, refused

URI = sys.argv[1]

import mlflow  # noqa: E402
import requests  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.genai import datasets  # noqa: E402

mlflow.set_tracking_uri(URI)
client = MlflowClient(URI)
suffix = mlflow.utils.time.get_current_time_millis()
one, two = (client.create_experiment(f"evaluation {which} {suffix}") for which in ("one", "two"))


def rest(method, path, **more):
    return requests.request(method, f"{URI}/api/3.0/mlflow/{path}", timeout=10, **more)


# Datasets
cases = datasets.create_dataset(name=f"cases {suffix}", experiment_id=[one], tags={"team": "größe", "level": "1"})
check("a dataset is made", (cases.name, cases.experiment_ids, cases.tags["team"]) == (f"cases {suffix}", [one], "größe"))
other = datasets.create_dataset(name=f"other {suffix}", experiment_id=[two])
cases.merge_records([
    {"inputs": {"question": "2 + 2?", "user": {"id": 7}}, "expectations": {"answer": 4}, "tags": {"level": "easy"}},
    {"inputs": {"question": "größe?"}, "outputs": "L", "expectations": {"answer": "L"}},
])
frame = datasets.get_dataset(dataset_id=cases.dataset_id).to_df()
check("its records are read back", sorted(row["question"] for row in frame["inputs"]) == ["2 + 2?", "größe?"])
cases.merge_records([{"inputs": {"user": {"id": 7}, "question": "2 + 2?"}, "expectations": {"why": "arithmetic"}, "tags": {"seen": "yes"}}])
again = {r.inputs["question"]: r for r in client.get_dataset(cases.dataset_id).records}
check("the same inputs are the same record", len(again) == 2)
check("which has what was added", again["2 + 2?"].expectations == {"answer": 4, "why": "arithmetic"})
check("and what was there", (again["2 + 2?"].tags["level"], again["2 + 2?"].tags["seen"]) == ("easy", "yes"))
many = [{"inputs": {"index": index, "text": "x" * 1000}} for index in range(1500)]
sent = rest("POST", f"datasets/{cases.dataset_id}/records", json={"records": json.dumps(many[:1000])}).json()
check("many are taken at once", (sent["inserted_count"], sent["updated_count"]) == (1000, 0))
cases.merge_records(many)
read = client.get_dataset(cases.dataset_id)
check("and read in pages", len(read.records) == 1502)
check("the profile counts them", json.loads(read.profile)["num_records"] == 1502)
check("the schema says what they are", json.loads(read.schema)["inputs"]["index"] == "integer")
check("its digest has changed", read.digest != cases.digest or cases.digest == client.get_dataset(cases.dataset_id).digest)
gone = [r.dataset_record_id for r in read.records if "index" in r.inputs]
check("records are deleted", client._tracking_client.store.delete_dataset_records(cases.dataset_id, gone) == 1500)
check("once", client._tracking_client.store.delete_dataset_records(cases.dataset_id, gone[:1]) == 0)
cases.merge_records(many[:1])
back = [r for r in client.get_dataset(cases.dataset_id).records if "index" in r.inputs]
check("and begin anew when told again", len(back) == 1 and back[0].expectations in (None, {}))
client.set_dataset_tags(cases.dataset_id, {"level": "2", "new": "x"})
client.delete_dataset_tag(cases.dataset_id, "new")
tags = client.get_dataset(cases.dataset_id).tags
check("tags change", (tags["level"], "new" in tags) == ("2", False))
names = lambda **asked: [found.name for found in client.search_datasets(**asked)]  # noqa: E731
check("datasets are found by experiment", names(experiment_ids=[one]) == [cases.name])
check("by tag", names(filter_string="tags.team = 'größe' AND tags.level = '2'", experiment_ids=[one]) == [cases.name])
check("by name", names(filter_string=f"name LIKE 'other %{suffix}'") == [other.name])
check("in order", names(filter_string=f"name LIKE '% {suffix}'", order_by=["name DESC"]) == [other.name, cases.name])
check("and pages", len(client.search_datasets(max_results=1)) == 1 and client.search_datasets(max_results=1).token is not None)
linked = client.add_dataset_to_experiments(cases.dataset_id, [two])
check("a dataset belongs to more experiments", sorted(linked.experiment_ids) == sorted([one, two]))
check("and to fewer", client.remove_dataset_from_experiments(cases.dataset_id, [one]).experiment_ids == [two])
refused("a search by what nobody knows", "INVALID_PARAMETER_VALUE", lambda: client.search_datasets(filter_string="colour = 'x'"))
refused("an experiment that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.add_dataset_to_experiments(cases.dataset_id, ["999999"]))
wrong = rest("POST", f"datasets/{cases.dataset_id}/records", json={"records": "[1]"}).json()
check(f"a record that is none is refused in words ({wrong['message']})", wrong["error_code"] == "INVALID_PARAMETER_VALUE")
client.delete_dataset(other.dataset_id)
refused("a deleted dataset", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_dataset(other.dataset_id))

# Scorers
store = client._tracking_client.store
first = store.register_scorer(one, "polite", json.dumps({"name": "polite"}))
check("a scorer has a first version", first.scorer_version == 1)
check("and another", store.register_scorer(one, "polite", json.dumps({"name": "polite", "v": 2})).scorer_version == 2)
check("the newest is listed", [(s.scorer_name, s.scorer_version) for s in store.list_scorers(one)] == [("polite", 2)])
check("it runs on no new traces", store.get_online_scoring_configs([first.scorer_id]) == [])
check("an older one is read", store.get_scorer(one, "polite", version=1)._serialized_scorer == '{"name": "polite"}')
store.delete_scorer(one, "polite", version=1)
check("and deleted", [s.scorer_version for s in store.list_scorer_versions(one, "polite")] == [2])
refused("a scorer that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: store.get_scorer(one, "rude"))
code = json.dumps({"name": "own", "call_source": "return True"})
refused("a scorer that is code", "INVALID_PARAMETER_VALUE", lambda: store.register_scorer(one, "own", code))

# Issues
made = rest("POST", "issues", json={"experiment_id": one, "name": "slow", "description": "a minute", "root_causes": ["index"]}).json()["issue"]
check("an issue is pending", (made["status"], made["root_causes"]) == ("pending", ["index"]))
settled = rest("PATCH", f"issues/{made['issue_id']}", json={"status": "resolved", "severity": "low"}).json()["issue"]
check("until it is settled", (settled["status"], settled["severity"], settled["name"]) == ("resolved", "low", "slow"))
found = rest("POST", "issues/search", json={"experiment_id": one, "filter_string": "status = 'resolved' AND severity != 'high'"}).json()
check("issues are found", [i["issue_id"] for i in found["issues"]] == [made["issue_id"]] and found["next_page_token"] == "")
check("an unknown status is refused", rest("PATCH", f"issues/{made['issue_id']}", json={"status": "odd"}).status_code == 400)

# What MLflow's UI asks in GraphQL
run = client.create_run(one)
client.log_metric(run.info.run_id, "loss", 0.5, timestamp=1, step=1)
client.log_metric(run.info.run_id, "odd", math.nan, timestamp=2**40, step=2)
name = f"graph {suffix}"
client.create_registered_model(name)
client.create_model_version(name, "runs:/elsewhere/model", run.info.run_id)
client.set_registered_model_alias(name, "best", "1")


def graphql(query, **variables):
    asked = {"query": query, "variables": variables}
    return requests.post(f"{URI}/graphql", json=asked, timeout=10).json()


shown = graphql(
    """query GetRun($run: String!) @component(name: "conformance") {
      mlflowGetRun(input: {runId: $run}) {
        run { ...Info data { metrics { key value timestamp } } experiment { experimentId } modelVersions { name version status aliases currentStage } }
      }
    }
    fragment Info on MlflowRunExtension { info { runId status startTime } }""",
    run=run.info.run_id,
)
check("a run is shown without a complaint", shown["errors"] is None)
data = shown["data"]["mlflowGetRun"]["run"]
check("with its status and times as text", (data["info"]["status"], data["info"]["startTime"]) == ("RUNNING", str(run.info.start_time)))
metrics = {m["key"]: (m["value"], m["timestamp"]) for m in data["data"]["metrics"]}
check("its metrics, NaN as nothing", metrics == {"loss": (0.5, "1"), "odd": (None, str(2**40))})
versions = [{"name": name, "version": "1", "status": "READY", "aliases": ["best"], "currentStage": "None"}]
check("its experiment and the versions made of it", (data["experiment"]["experimentId"], data["modelVersions"]) == (one, versions))
none = graphql('{ mlflowGetRun(input: {runId: "0123456789abcdef0123456789abcdef"}) { run { info { runId } } } }')
check(f"a run that is not there is said ({none['errors']})", none["data"]["mlflowGetRun"] is None and "RESOURCE_DOES_NOT_EXIST" in none["errors"][0])
for what, query, word in [
    ("no query", "{ mlflowGetRun(", "Syntax Error"),
    ("a field nobody knows", "{ mlflowGetRun { colour } }", "Cannot query field"),
    ("too much at once", "{" + " ".join(f"a{i}: test {{ output }}" for i in range(11)) + "}", "at most 10 root fields"),
]:
    answered = graphql(query)
    check(f"{what} is refused in words", answered["data"] is None and word in answered["errors"][0])
done()
