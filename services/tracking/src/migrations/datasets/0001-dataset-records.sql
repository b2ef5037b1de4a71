-- What is told of the records of evaluation datasets, a row a telling or deletion. What a record is now is what they say together.
CREATE TABLE IF NOT EXISTS millrace.dataset_record_facts
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _row UInt32,
    dataset_id String,
    record_id String,
    deleted Bool,
    at Int64,
    by String,
    told String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (dataset_id, record_id, _partition, _offset, _row)
SETTINGS non_replicated_deduplication_window = 1000;

-- For analysts: the records there are, with their inputs and what was told of them last.
CREATE OR REPLACE VIEW millrace.evaluation_records AS
SELECT
    dataset_id, record_id,
    JSONExtractString(any(told), 'inputs') AS inputs,
    argMaxIf(JSONExtract(told, 'outputs', 'Nullable(String)'), (_offset, _row), JSONExtract(told, 'outputs', 'Nullable(String)') IS NOT NULL) AS outputs,
    fromUnixTimestamp64Milli(min(at), 'UTC') AS created, fromUnixTimestamp64Milli(max(at), 'UTC') AS updated
FROM millrace.dataset_record_facts AS facts
WHERE NOT deleted AND (dataset_id, record_id) NOT IN
(
    SELECT dataset_id, record_id FROM millrace.dataset_record_facts GROUP BY dataset_id, record_id HAVING argMax(deleted, (_offset, _row))
)
GROUP BY dataset_id, record_id;
