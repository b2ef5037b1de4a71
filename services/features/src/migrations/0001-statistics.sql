-- What columns and features are like, hour by hour. A row is of one column in one hour of the events' time, over one segment of the log: it holds
-- absolute values, and the one that saw more of its segment stands. So it can be computed again at any time, by anybody.
CREATE TABLE IF NOT EXISTS millrace.statistics
(
    of LowCardinality(String) COMMENT 'source: columns of a source. served: features the gateway answered from. events: features at the times of events.',
    name LowCardinality(String) COMMENT 'The source, the feature service, or the feature view.',
    definition LowCardinality(String) COMMENT 'What was computed: another shape of a source or version of a view has statistics of its own.',
    column LowCardinality(String) COMMENT 'Column or feature; empty in the row that marks a segment as done.',
    hour DateTime64(0, 'UTC') COMMENT 'Start of the hour of the event time; of served: of the answer.',
    partition UInt32,
    segment UInt64 COMMENT 'Which part of the partition.',
    until UInt64 COMMENT 'How much of the segment was seen: next offset; of events: events of the hour.',
    population UInt64 COMMENT 'Events or answers there were.',
    rows UInt64 COMMENT 'Those of them that were looked at: all, or a sample.',
    nulls UInt64,
    distinct AggregateFunction(uniqCombined64(12), UInt64),
    least Nullable(Float64),
    greatest Nullable(Float64),
    numbers UInt64 COMMENT 'Rows with a number.',
    mean Float64,
    squares Float64 COMMENT 'Sum of the squared distances from the mean.',
    buckets Array(Int32) COMMENT 'Logarithmic buckets of numbers, 64 for each power of two: sign, exponent and first six bits of the fraction.' CODEC(Delta, ZSTD(1)),
    bucket_counts Array(UInt64) CODEC(ZSTD(1)),
    texts Array(String) COMMENT 'The most frequent texts, at most 100.' CODEC(ZSTD(1)),
    text_counts Array(UInt64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(until)
ORDER BY (of, name, definition, column, hour, partition, segment);

-- The feature values that statistics of events were made from: one row per hour, replaced whole when the hour has more events.
CREATE TABLE IF NOT EXISTS millrace.feature_samples
(
    view LowCardinality(String),
    version LowCardinality(String),
    hour DateTime64(0, 'UTC'),
    population UInt64 COMMENT 'Events of the hour when the sample was taken.',
    at Array(DateTime64(3, 'UTC')) COMMENT 'Time of the event, as of which the values are.',
    entity Array(String) COMMENT 'JSON object of join keys.',
    features Array(String) COMMENT 'JSON object of feature values.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(population)
ORDER BY (view, version, hour);

CREATE OR REPLACE VIEW millrace.feature_values
(
    view LowCardinality(String) COMMENT 'Feature view.',
    version LowCardinality(String) COMMENT 'Hash of the definition the values were computed by.',
    at DateTime64(3, 'UTC') COMMENT 'Time of an event of the entity; the values are as of then.',
    entity String COMMENT 'Join keys, a JSON object.',
    feature String COMMENT 'Feature of the view.',
    value String COMMENT 'The value as JSON; null when there is none.',
    number Nullable(Float64) COMMENT 'The value when it is a number or a truth value.'
)
AS SELECT view, version, at, entity, field.1 AS feature, field.2 AS value, if(value = 'true', 1, if(value = 'false', 0, toFloat64OrNull(value))) AS number
FROM (SELECT view, version, at, entity, features FROM millrace.feature_samples FINAL ARRAY JOIN at, entity, features)
ARRAY JOIN JSONExtractKeysAndValuesRaw(features) AS field
COMMENT 'Feature values at the times of a sample of events, computed by the engine that serves features.';
