-- Units that met a variant. A unit may be told several times; analyses take its first exposure.
CREATE TABLE IF NOT EXISTS millrace.exposures
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    exposure_id String,
    experiment LowCardinality(String),
    unit String,
    variant LowCardinality(String),
    deployment LowCardinality(String),
    time DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (experiment, unit, time, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;

-- What experiments measure of units.
CREATE TABLE IF NOT EXISTS millrace.outcomes
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    outcome_id String,
    experiment LowCardinality(String),
    metric LowCardinality(String),
    unit String,
    value Float64,
    time DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (experiment, metric, unit, time, outcome_id, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;

-- The first exposure of each unit, and how many variants it met in all (more than one: something is wrong).
CREATE OR REPLACE VIEW millrace.first_exposures AS
SELECT
    experiment,
    unit,
    argMin(variant, (time, _partition, _offset)) AS first_variant,
    min(time) AS exposed_at,
    uniqExact(variant) AS variants
FROM millrace.exposures FINAL
GROUP BY experiment, unit;
