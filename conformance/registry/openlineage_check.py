"""Reads OpenLineage events, one a line as JSON, into the classes of openlineage-python and writes them out again: both have to be the same.

usage: openlineage_check.py FILE
"""
import json
import sys

from openlineage.client import event_v2
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    datasource_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    lifecycle_state_change_dataset,
    schema_dataset,
    symlinks_dataset,
)
from openlineage.client.generated.base import DatasetFacet, JobFacet, RunFacet
from openlineage.client.serde import Serde



def column_lineage(fields, producer):
    module = column_lineage_dataset
    read = {}
    for name, value in fields.items():
        inputs = [
            module.InputField(**{**one, "transformations": [module.Transformation(**each) for each in one["transformations"]]})
            for one in value["inputFields"]
        ]
        read[name] = module.Fields(inputFields=inputs)
    return module.ColumnLineageDatasetFacet(fields=read, producer=producer)


FACETS = {
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
    "dataSource": datasource_dataset.DatasourceDatasetFacet,
    "symlinks": lambda identifiers, producer: symlinks_dataset.SymlinksDatasetFacet(
        identifiers=[symlinks_dataset.Identifier(**one) for one in identifiers], producer=producer
    ),
    "schema": lambda fields, producer: schema_dataset.SchemaDatasetFacet(
        fields=[schema_dataset.SchemaDatasetFacetFields(**one) for one in fields], producer=producer
    ),
    "columnLineage": column_lineage,
    "lifecycleStateChange": lambda lifecycleStateChange, producer: lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(
        lifecycleStateChange=lifecycle_state_change_dataset.LifecycleStateChange(lifecycleStateChange), producer=producer
    ),
    "jobType": job_type_job.JobTypeJobFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
}


def facets(values):
    read, extra = {}, {}
    for name, value in (values or {}).items():
        if name == "millrace":
            # A facet of our own: the schema it names has to be that of any facet.
            assert value["_schemaURL"].split("/")[-1] in ("RunFacet", "JobFacet", "DatasetFacet"), value
            extra[name] = value
            continue
        own = {key: item for key, item in value.items() if not key.startswith("_")}
        read[name] = FACETS[name](**own, producer=value["_producer"])
        assert read[name]._schemaURL == value["_schemaURL"], (read[name]._schemaURL, value["_schemaURL"])
    return read, extra


def dataset(kind, value):
    read, extra = facets(value.get("facets"))
    return kind(namespace=value["namespace"], name=value["name"], facets=read), extra


def check(event):
    kind = event["schemaURL"].split("/")[-1]
    common = {"eventTime": event["eventTime"], "producer": event["producer"]}
    inputs = [dataset(event_v2.InputDataset, one)[0] for one in event.get("inputs", [])]
    outputs = [dataset(event_v2.OutputDataset, one)[0] for one in event.get("outputs", [])]
    if kind == "DatasetEvent":
        read = event_v2.DatasetEvent(dataset=dataset(event_v2.StaticDataset, event["dataset"])[0], **common)
    else:
        job = event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"], facets=facets(event["job"].get("facets"))[0])
        if kind == "JobEvent":
            read = event_v2.JobEvent(job=job, inputs=inputs, outputs=outputs, **common)
        else:
            run = event_v2.Run(runId=event["run"]["runId"], facets=facets(event["run"].get("facets"))[0])
            state = event_v2.RunState(event["eventType"])
            read = event_v2.RunEvent(run=run, job=job, eventType=state, inputs=inputs, outputs=outputs, **common)
    assert read.schemaURL == event["schemaURL"], (read.schemaURL, event["schemaURL"])
    written = json.loads(Serde.to_json(read))
    assert bare(written) == bare(event), json.dumps([bare(written), bare(event)], indent=1)
    return kind


def bare(value):
    """Without our own facet, and without what is empty, which the client leaves out."""
    if isinstance(value, dict):
        kept = {key: bare(item) for key, item in value.items() if key != "millrace"}
        return {key: item for key, item in kept.items() if item not in ({}, [], None)}
    return [bare(item) for item in value] if isinstance(value, list) else value


kinds = [check(json.loads(line)) for line in open(sys.argv[1]) if line.strip()]
print(json.dumps({kind: kinds.count(kind) for kind in sorted(set(kinds))}))
