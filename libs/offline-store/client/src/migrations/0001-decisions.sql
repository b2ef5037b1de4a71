-- The accepted decisions of all domains, one row each; analysts' views are made over it.
-- Sorted by subject, so that a subject's history and its last sequence are one short read.
CREATE TABLE IF NOT EXISTS millrace.decisions
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    domain LowCardinality(String),
    type LowCardinality(String),
    version UInt16,
    subject String,
    sequence UInt64,
    command_id String,
    actor String,
    time DateTime64(3, 'UTC'),
    data String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (_topic, subject, sequence, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;
