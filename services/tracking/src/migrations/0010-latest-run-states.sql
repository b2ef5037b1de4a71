-- A run as it is, with its latest metrics: the row of the highest version of (experiment_id, start_time, run_id), which FINAL gives. Every param, tag
-- and metric is a column of its own inside its JSON column, so a search reads the keys it names and no others. Keys are written as in a URL (a dot is
-- %2E); a metric that is no finite number is the text NaN, Infinity or -Infinity. Rows of no experiment are the projections' marks: how far they are.
DROP TABLE IF EXISTS millrace.run_states;

CREATE TABLE IF NOT EXISTS millrace.run_states
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    version UInt64,
    sequence UInt64,
    experiment_id LowCardinality(String),
    run_id String,
    name String,
    status LowCardinality(String),
    user_id LowCardinality(String),
    start_time Int64,
    end_time Nullable(Int64),
    artifact_uri String CODEC(ZSTD(1)),
    deleted Bool,
    purged Bool,
    params JSON(max_dynamic_paths = 256) CODEC(ZSTD(1)),
    tags JSON(max_dynamic_paths = 256) CODEC(ZSTD(1)),
    metrics JSON(max_dynamic_paths = 256) CODEC(ZSTD(1)),
    `datasets.name` Array(String),
    `datasets.digest` Array(String),
    `datasets.context` Array(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (experiment_id, start_time, run_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- For analysts: the runs there are. Times are the client's.
CREATE OR REPLACE VIEW millrace.runs AS
SELECT
    run_id, experiment_id, name, status, user_id,
    fromUnixTimestamp64Milli(start_time, 'UTC') AS started_at,
    fromUnixTimestamp64Milli(end_time, 'UTC') AS ended_at,
    artifact_uri, deleted,
    CAST(arrayMap(pair -> (decodeURLComponent(pair.1), pair.2), JSONExtractKeysAndValues(toString(params), 'String')), 'Map(String, String)') AS params,
    CAST(arrayMap(pair -> (decodeURLComponent(pair.1), pair.2), JSONExtractKeysAndValues(toString(tags), 'String')), 'Map(String, String)') AS tags,
    CAST(arrayMap(pair -> (decodeURLComponent(pair.1), toFloat64OrNull(trim(BOTH '"' FROM pair.2))), JSONExtractKeysAndValuesRaw(toString(metrics))), 'Map(String, Nullable(Float64))') AS metrics,
    `datasets.name`, `datasets.digest`, `datasets.context`
FROM millrace.run_states FINAL
WHERE experiment_id != '' AND NOT purged;
