-- What became of each delivery of a webhook: a row when it was queued (attempt 0), and one for each attempt.
CREATE TABLE IF NOT EXISTS millrace.webhook_delivery_facts
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    webhook_id String,
    delivery_id String,
    attempt UInt32,
    name LowCardinality(String),
    outcome LowCardinality(String),
    status Nullable(UInt16),
    error String,
    duration_ms UInt64,
    next_attempt_at Nullable(Int64),
    occurred_at Int64,
    data String CODEC(ZSTD(1)),
    at Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (webhook_id, delivery_id, attempt, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;

-- For analysts: a delivery a row, as it stands.
CREATE OR REPLACE VIEW millrace.webhook_deliveries AS
SELECT
    delivery_id, webhook_id,
    any(name) AS name,
    argMax(outcome, (attempt, at)) AS outcome,
    max(attempt) AS attempts,
    argMax(status, (attempt, at)) AS last_status,
    argMax(error, (attempt, at)) AS last_error,
    fromUnixTimestamp64Milli(max(occurred_at), 'UTC') AS occurred,
    fromUnixTimestamp64Milli(min(at), 'UTC') AS queued,
    fromUnixTimestamp64Milli(max(at), 'UTC') AS changed,
    anyIf(data, attempt = 0) AS data
FROM millrace.webhook_delivery_facts
GROUP BY webhook_id, delivery_id;
