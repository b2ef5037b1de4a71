-- What is told of traces, a row for each thing that can be searched by. `fact` holds the whole fact on one of its rows (row 0).
CREATE TABLE IF NOT EXISTS millrace.trace_facts
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _row UInt32,
    experiment_id LowCardinality(String),
    trace_id String,
    kind LowCardinality(String),
    type LowCardinality(String),
    key String,
    value String,
    present Bool,
    request_time Int64,
    execution_ms Nullable(Int64),
    state LowCardinality(String),
    client_request_id String,
    fact String CODEC(ZSTD(3)),
    INDEX by_trace trace_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (experiment_id, kind, key, trace_id, _partition, _offset, _row)
SETTINGS non_replicated_deduplication_window = 1000;

-- For analysts: the traces there are, as clients (or, without their account, the root spans) tell of them.
CREATE OR REPLACE VIEW millrace.traces AS
SELECT
    experiment_id, trace_id,
    fromUnixTimestamp64Milli(argMax(request_time, (kind = 'info', _offset)), 'UTC') AS requested,
    tupleElement(argMax((execution_ms,), (kind = 'info', _offset)), 1) AS execution_ms,
    argMax(state, (kind = 'info', _offset)) AS state
FROM millrace.trace_facts
WHERE kind IN ('info', 'root')
    AND (experiment_id, trace_id) NOT IN (SELECT experiment_id, trace_id FROM millrace.trace_facts WHERE kind = 'deleted')
GROUP BY experiment_id, trace_id;

-- For analysts: the spans of traces. Times are nanoseconds since the epoch.
CREATE OR REPLACE VIEW millrace.spans AS
SELECT
    experiment_id, trace_id,
    JSONExtractString(span, 'spanId') AS span_id,
    JSONExtract(span, 'parentSpanId', 'Nullable(String)') AS parent_span_id,
    JSONExtractString(span, 'name') AS name,
    toUInt64OrZero(JSONExtractString(span, 'startNs')) AS start_ns,
    toUInt64OrZero(JSONExtractString(span, 'endNs')) AS end_ns,
    JSONExtractString(span, 'state') AS state,
    JSONExtractString(span, 'span') AS span
FROM
(
    SELECT experiment_id, trace_id, arrayJoin(JSONExtractArrayRaw(fact, 'spans')) AS span
    FROM millrace.trace_facts WHERE type = 'SpansLogged' AND fact != ''
);
