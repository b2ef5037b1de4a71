-- A run as it was after each batch of decisions about it; the row of the highest sequence is the run as it is. How many rows a run has depends on
-- how the log was cut into batches, and a rebuild cuts it differently: millrace.runs is what stays the same.
CREATE TABLE IF NOT EXISTS millrace.run_states
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    experiment_id String,
    run_id String,
    sequence UInt64,
    name String,
    status LowCardinality(String),
    user_id String,
    start_time Int64,
    end_time Nullable(Int64),
    artifact_uri String,
    deleted Bool,
    params Map(String, String) CODEC(ZSTD(1)),
    tags Map(String, String) CODEC(ZSTD(1)),
    `datasets.name` Array(String),
    `datasets.digest` Array(String),
    `datasets.context` Array(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (experiment_id, run_id, sequence, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;

-- Every metric point, in the order a metric's history is read. A client that repeats a batch makes its points appear twice here;
-- (run_id, key, step, timestamp, value) tells a point.
CREATE TABLE IF NOT EXISTS millrace.metric_points
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _row UInt32,
    experiment_id LowCardinality(String),
    run_id String,
    key LowCardinality(String),
    step Int64 CODEC(DoubleDelta, ZSTD(1)),
    timestamp Int64 CODEC(DoubleDelta, ZSTD(1)),
    value Float64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (experiment_id, run_id, key, step, timestamp, _partition, _offset, _row)
SETTINGS non_replicated_deduplication_window = 1000;

-- For analysts: the runs there are. Times are the client's.
CREATE OR REPLACE VIEW millrace.runs AS
SELECT
    run_id, experiment_id, name, status, user_id,
    fromUnixTimestamp64Milli(start_time, 'UTC') AS started_at,
    fromUnixTimestamp64Milli(end_time, 'UTC') AS ended_at,
    artifact_uri, deleted, params, tags, `datasets.name`, `datasets.digest`, `datasets.context`
FROM millrace.run_states
ORDER BY sequence DESC
LIMIT 1 BY run_id;

-- For analysts: the latest point of each metric of each run: greatest step, then timestamp, then value, NaN counting as 0.
CREATE OR REPLACE VIEW millrace.latest_metrics AS
SELECT
    experiment_id, run_id, key, point.3 AS value, point.1 AS step, fromUnixTimestamp64Milli(point.2, 'UTC') AS logged_at
FROM
(
    SELECT
        experiment_id, run_id, key,
        argMax((step, timestamp, value), (step, timestamp, if(isNaN(value), 0, value))) AS point
    FROM millrace.metric_points
    GROUP BY experiment_id, run_id, key
);

-- For analysts: the experiments there are.
CREATE OR REPLACE VIEW millrace.experiments AS
SELECT
    JSONExtractString(data, 'experimentId') AS experiment_id,
    argMaxIf(
        if(type = 'ExperimentRenamed', JSONExtractString(data, 'to'), JSONExtractString(data, 'name')),
        sequence,
        type IN ('ExperimentCreated', 'ExperimentRenamed')
    ) AS name,
    anyIf(JSONExtractString(data, 'artifactLocation'), type = 'ExperimentCreated') AS artifact_location,
    argMaxIf(toBool(type = 'ExperimentDeleted'), sequence, type IN ('ExperimentCreated', 'ExperimentDeleted', 'ExperimentRestored')) AS deleted,
    min(time) AS created_at,
    max(time) AS updated_at
FROM millrace.decisions
WHERE _topic = 'millrace.tracking.decisions' AND subject = 'experiments/catalog'
GROUP BY experiment_id;
