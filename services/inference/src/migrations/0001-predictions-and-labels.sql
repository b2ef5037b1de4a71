-- What the gateway answered and what it rested on: one row per predicted row of a request.
CREATE TABLE IF NOT EXISTS millrace.predictions
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _row UInt32,
    prediction_id String,
    -- Number of the row in its request; together with prediction_id it names one prediction.
    row UInt32,
    request_id Nullable(String),
    time DateTime64(3, 'UTC'),
    deployment LowCardinality(String),
    model LowCardinality(String),
    version UInt32,
    experiment LowCardinality(String),
    variant LowCardinality(String),
    unit Nullable(String),
    -- JSON objects: join keys, request features, served feature values, tensors given instead, model outputs.
    entity String CODEC(ZSTD(1)),
    request String CODEC(ZSTD(1)),
    features String CODEC(ZSTD(1)),
    inputs String CODEC(ZSTD(1)),
    outputs String CODEC(ZSTD(1)),
    -- The first output that is one number a row.
    prediction Nullable(Float64),
    feature_service LowCardinality(String),
    -- The features are as of then.
    feature_time Nullable(DateTime64(3, 'UTC')),
    feature_positions String CODEC(ZSTD(1)),
    feature_versions LowCardinality(String),
    batch_rows Nullable(UInt32),
    latency_us UInt32,
    error_code LowCardinality(String),
    error_message String,
    traceparent Nullable(String),
    feature_values Map(String, Nullable(Float64)) ALIAS JSONExtract(features, 'Map(String, Nullable(Float64))')
)
ENGINE = ReplacingMergeTree
ORDER BY (deployment, time, prediction_id, row, _partition, _offset, _row)
SETTINGS non_replicated_deduplication_window = 1000;

-- The truth about predictions, as it came in: a label may come late, come again and be corrected.
CREATE TABLE IF NOT EXISTS millrace.labels
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    label_id String,
    deployment LowCardinality(String),
    name LowCardinality(String),
    -- Either the prediction it is about, or the unit and the time the prediction was made for.
    prediction_id Nullable(String),
    row UInt32,
    unit Nullable(String),
    predicted_at Nullable(DateTime64(3, 'UTC')),
    value Nullable(Float64),
    text Nullable(String),
    -- When the truth was known.
    time DateTime64(3, 'UTC'),
    -- When it was told to us.
    recorded_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (deployment, name, time, label_id, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;

-- The latest label of each name per prediction; labels that name unit and time are resolved to the prediction made for them.
CREATE OR REPLACE VIEW millrace.prediction_labels AS
SELECT
    prediction_id,
    row,
    name,
    argMax(tuple(value, text, time), (time, _partition, _offset)) AS latest
FROM
(
    SELECT assumeNotNull(prediction_id) AS prediction_id, row, name, value, text, time, _partition, _offset
    FROM millrace.labels FINAL
    WHERE prediction_id IS NOT NULL
    UNION ALL
    SELECT p.prediction_id, p.row, l.name, l.value, l.text, l.time, l._partition, l._offset
    FROM millrace.labels AS l FINAL
    INNER JOIN millrace.predictions AS p FINAL ON p.deployment = l.deployment AND p.unit = l.unit AND p.feature_time = l.predicted_at
    WHERE l.prediction_id IS NULL
)
GROUP BY prediction_id, row, name;

-- Each prediction beside its label: one row per label name, and one without a label while none has come.
CREATE OR REPLACE VIEW millrace.predictions_labelled AS
SELECT
    p.*,
    l.name AS label_name,
    l.latest.1 AS label,
    l.latest.2 AS label_text,
    l.latest.3 AS label_time
FROM millrace.predictions AS p FINAL
LEFT JOIN millrace.prediction_labels AS l ON p.prediction_id = l.prediction_id AND p.row = l.row
SETTINGS join_use_nulls = 1;
