-- What gateways found when they loaded registered versions to see whether they can be served. The last row of a version counts.
CREATE TABLE IF NOT EXISTS millrace.serving_checks
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    time DateTime64(3, 'UTC'),
    model_id String,
    model LowCardinality(String),
    version UInt32,
    digest Nullable(String),
    servable Bool,
    -- Why not; empty when it can be served.
    reason String,
    place LowCardinality(String),
    run_ms Nullable(Float64)
)
ENGINE = ReplacingMergeTree
ORDER BY (model_id, version, time, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;
