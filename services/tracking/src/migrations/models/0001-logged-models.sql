-- Every value a run has measured of a logged model. A client that repeats a batch makes its points appear twice here.
CREATE TABLE IF NOT EXISTS millrace.logged_model_metrics
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _row UInt32,
    experiment_id LowCardinality(String),
    model_id String,
    run_id String,
    key LowCardinality(String),
    dataset_name String,
    dataset_digest String,
    step Int64,
    timestamp Int64,
    value Float64
)
ENGINE = ReplacingMergeTree
ORDER BY (experiment_id, model_id, key, dataset_name, dataset_digest, step, timestamp, _partition, _offset, _row)
SETTINGS non_replicated_deduplication_window = 1000;

-- For analysts: the logged models there are, folded from the decisions.
CREATE OR REPLACE VIEW millrace.logged_models AS
SELECT
    substring(subject, 14) AS model_id,
    JSONExtractString(created, 'experimentId') AS experiment_id,
    JSONExtractString(created, 'name') AS name,
    JSONExtract(created, 'modelType', 'Nullable(String)') AS model_type,
    JSONExtract(created, 'sourceRunId', 'Nullable(String)') AS source_run_id,
    JSONExtractString(created, 'artifactUri') AS artifact_uri,
    if(finalized = '', 'PENDING', JSONExtractString(finalized, 'status')) AS status,
    created_at, updated_at
FROM
(
    SELECT
        subject,
        argMinIf(data, sequence, type = 'LoggedModelCreated') AS created,
        argMaxIf(data, sequence, type = 'LoggedModelFinalized') AS finalized,
        min(time) AS created_at, max(time) AS updated_at,
        countIf(type = 'LoggedModelDeleted') > 0 AS deleted
    FROM millrace.decisions
    WHERE _topic = 'millrace.tracking.decisions' AND startsWith(subject, 'logged-model/')
    GROUP BY subject
)
WHERE NOT deleted;
