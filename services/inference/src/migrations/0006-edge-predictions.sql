-- Answers of exported models, uploaded later, lie beside the gateway's own. `time` is when an upload was received; the device's clock is kept apart.
ALTER TABLE millrace.predictions
    ADD COLUMN IF NOT EXISTS source LowCardinality(String) DEFAULT 'gateway',
    ADD COLUMN IF NOT EXISTS edge_device String DEFAULT '',
    ADD COLUMN IF NOT EXISTS edge_session String DEFAULT '',
    ADD COLUMN IF NOT EXISTS edge_predicted_at Nullable(DateTime64(3, 'UTC')),
    ADD COLUMN IF NOT EXISTS edge_sent_at Nullable(DateTime64(3, 'UTC')),
    ADD COLUMN IF NOT EXISTS edge_graph LowCardinality(String) DEFAULT '';

-- An upload that comes again is found by its id.
ALTER TABLE millrace.predictions ADD INDEX IF NOT EXISTS prediction_id_index prediction_id TYPE bloom_filter(0.01) GRANULARITY 1;
