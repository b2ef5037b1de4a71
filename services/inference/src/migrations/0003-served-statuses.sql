-- Why features have no value: a JSON object, name -> NOT_FOUND or OUTSIDE_MAX_AGE. Answers from before it was logged have none.
ALTER TABLE millrace.predictions ADD COLUMN IF NOT EXISTS statuses String DEFAULT '{}' CODEC(ZSTD(1)) AFTER features;

-- What models were given, for analysts: one row per predicted row and feature. Answers that were made of tensors alone have none.
CREATE OR REPLACE VIEW millrace.served_features
(
    time DateTime64(3, 'UTC') COMMENT 'When the answer was given.',
    deployment LowCardinality(String) COMMENT 'Deployment that answered.',
    model LowCardinality(String) COMMENT 'Registered model.',
    version UInt32 COMMENT 'Version of the model.',
    prediction_id String COMMENT 'With row it names one prediction, also in millrace.prediction_labels.',
    row UInt32 COMMENT 'Number of the row in its request.',
    feature_service LowCardinality(String) COMMENT 'Feature service the values came from.',
    feature_time Nullable(DateTime64(3, 'UTC')) COMMENT 'The values are as of then.',
    entity String COMMENT 'Join keys, a JSON object.',
    feature String COMMENT 'Name in the feature service''s vectors.',
    value String COMMENT 'The value as JSON; null when there was none.',
    number Nullable(Float64) COMMENT 'The value when it is a number or a truth value.',
    status LowCardinality(String) COMMENT 'PRESENT; or why there is no value: NULL_VALUE, NOT_FOUND (no event of the entity), OUTSIDE_MAX_AGE (the latest is older than the ttl of its view). Answers of before this was logged have NULL_VALUE.',
    prediction Nullable(Float64) COMMENT 'First output of the model that is one number a row.'
)
AS SELECT
    time, deployment, model, version, prediction_id, row, feature_service, feature_time, entity,
    field.1 AS feature,
    field.2 AS value,
    if(value = 'true', 1, if(value = 'false', 0, toFloat64OrNull(value))) AS number,
    multiIf(JSONHas(statuses, feature), JSONExtractString(statuses, feature), value = 'null', 'NULL_VALUE', 'PRESENT') AS status,
    prediction
FROM millrace.predictions FINAL
ARRAY JOIN JSONExtractKeysAndValuesRaw(features) AS field
WHERE feature_service != ''
COMMENT 'Feature values the gateway answered from: one row per prediction and feature.';
