-- Mirrored requests of rollouts: what the primary answered and what the candidate would have. One row per row of a request; one
-- with row NULL where the candidate had no answer.
CREATE TABLE IF NOT EXISTS millrace.shadow_answers
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _row UInt32,
    time DateTime64(3, 'UTC'),
    rollout LowCardinality(String),
    run UInt32,
    deployment LowCardinality(String),
    -- The primary's, also in millrace.predictions.
    prediction_id String,
    row Nullable(UInt32),
    unit Nullable(String),
    primary_prediction Nullable(Float64),
    candidate_prediction Nullable(Float64),
    primary_latency_us UInt32,
    candidate_latency_us UInt32,
    candidate_error LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (rollout, run, time, prediction_id, _partition, _offset, _row)
SETTINGS non_replicated_deduplication_window = 1000;

-- The rollout that chose the model of an answer; empty without one.
ALTER TABLE millrace.predictions ADD COLUMN IF NOT EXISTS rollout LowCardinality(String) DEFAULT '' AFTER experiment;
