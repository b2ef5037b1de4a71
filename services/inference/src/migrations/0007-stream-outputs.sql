-- What streaming inference has written to its output topics, as it is there: an output that was written twice is here twice.
CREATE TABLE IF NOT EXISTS millrace.stream_outputs_log
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    output_id String,
    stream LowCardinality(String),
    generation UInt32,
    -- The event.
    input_topic LowCardinality(String),
    input_partition UInt32,
    input_offset UInt64,
    event_time DateTime64(3, 'UTC'),
    -- When it was predicted.
    time DateTime64(3, 'UTC'),
    -- JSON objects: columns of the event, outputs of the model.
    columns String CODEC(ZSTD(1)),
    outputs String CODEC(ZSTD(1)),
    -- Of millrace.predictions.
    prediction_id String,
    deployment LowCardinality(String),
    model LowCardinality(String),
    version UInt32,
    variant LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, generation, input_topic, input_partition, input_offset, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;

-- Exactly one row for each event: of an output that was written twice the first, which is the one that counts.
CREATE OR REPLACE VIEW millrace.stream_outputs AS
SELECT *
FROM millrace.stream_outputs_log FINAL
ORDER BY stream, generation, input_topic, input_partition, input_offset, _partition, _offset
LIMIT 1 BY stream, generation, input_topic, input_partition, input_offset;
