-- A purged run is gone for everybody; its last row says so, because a row cannot be taken back by a projection.
ALTER TABLE millrace.run_states ADD COLUMN IF NOT EXISTS purged Bool DEFAULT false;

-- For analysts: the runs there are. Times are the client's.
CREATE OR REPLACE VIEW millrace.runs AS
SELECT
    run_id, experiment_id, name, status, user_id,
    fromUnixTimestamp64Milli(start_time, 'UTC') AS started_at,
    fromUnixTimestamp64Milli(end_time, 'UTC') AS ended_at,
    artifact_uri, deleted, params, tags, `datasets.name`, `datasets.digest`, `datasets.context`
FROM
(
    SELECT *
    FROM millrace.run_states
    ORDER BY sequence DESC
    LIMIT 1 BY run_id
)
WHERE NOT purged;
