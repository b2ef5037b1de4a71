-- What was answered to reads of feature services that log them, and what it rested on: one row per entity row of a request.
CREATE TABLE IF NOT EXISTS millrace.feature_reads
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _row UInt32,
    read_id String,
    -- Number of the row in its request; together with read_id it names one vector.
    row UInt32,
    time DateTime64(3, 'UTC'),
    feature_service LowCardinality(String),
    service_version UInt32,
    -- The features are as of then.
    feature_time DateTime64(3, 'UTC'),
    -- JSON objects: join keys, request features, served values, why there is no value.
    entity String CODEC(ZSTD(1)),
    request String CODEC(ZSTD(1)),
    features String CODEC(ZSTD(1)),
    statuses String CODEC(ZSTD(1)),
    feature_positions String CODEC(ZSTD(1)),
    feature_versions LowCardinality(String),
    -- Values past the ttl of their view were served.
    ageless Bool,
    traceparent Nullable(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (feature_service, time, read_id, row, _partition, _offset, _row)
SETTINGS non_replicated_deduplication_window = 1000;

-- What was read, for analysts: one row per entity row and feature.
CREATE OR REPLACE VIEW millrace.read_features
(
    time DateTime64(3, 'UTC') COMMENT 'When the answer was given.',
    feature_service LowCardinality(String) COMMENT 'Feature service that was asked for.',
    service_version UInt32 COMMENT 'Version of it that answered.',
    read_id String COMMENT 'Id of the request, x-request-id of its answer.',
    row UInt32 COMMENT 'Number of the entity row in its request.',
    feature_time DateTime64(3, 'UTC') COMMENT 'The values are as of then.',
    entity String COMMENT 'Join keys, a JSON object.',
    feature String COMMENT 'Name in the feature service''s vectors.',
    value String COMMENT 'The value as JSON; null when there was none.',
    number Nullable(Float64) COMMENT 'The value when it is a number or a truth value.',
    status LowCardinality(String) COMMENT 'PRESENT; or why there is no value: NULL_VALUE, NOT_FOUND (no event of the entity), OUTSIDE_MAX_AGE (the latest is older than the ttl of its view), INVALID (the time asked for is before what the online store kept).'
)
AS SELECT
    time, feature_service, service_version, read_id, row, feature_time, entity,
    field.1 AS feature,
    field.2 AS value,
    if(value = 'true', 1, if(value = 'false', 0, toFloat64OrNull(value))) AS number,
    multiIf(JSONHas(statuses, feature), JSONExtractString(statuses, feature), value = 'null', 'NULL_VALUE', 'PRESENT') AS status
FROM millrace.feature_reads FINAL
ARRAY JOIN JSONExtractKeysAndValuesRaw(features) AS field
COMMENT 'Feature values that reads of feature services were answered with, where the service logs its reads: one row per entity row and feature.';
