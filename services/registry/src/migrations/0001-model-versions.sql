-- For analysts: every version of every registered model that is there, with its stage and aliases. Folded from the decisions:
-- names by models/catalog, the rest by the model's own subject.
CREATE OR REPLACE VIEW millrace.model_versions AS
WITH
    names AS
    (
        SELECT
            JSONExtractString(data, 'modelId') AS model_id,
            argMaxIf(
                if(type = 'ModelRenamed', JSONExtractString(data, 'to'), JSONExtractString(data, 'name')),
                sequence,
                type IN ('ModelRegistered', 'ModelRenamed')
            ) AS name,
            countIf(type = 'ModelDeleted') > 0 AS deleted
        FROM millrace.decisions
        WHERE _topic = 'millrace.registry.decisions' AND subject = 'models/catalog'
        GROUP BY model_id
    ),
    changes AS
    (
        SELECT
            substring(subject, 7) AS model_id, sequence, time, actor, type, data,
            JSONExtractUInt(data, 'version') AS version
        FROM millrace.decisions
        WHERE _topic = 'millrace.registry.decisions' AND startsWith(subject, 'model/')
    ),
    versions AS
    (
        SELECT
            model_id, version,
            argMinIf(data, sequence, type = 'VersionRegistered') AS registered,
            minIf(time, type = 'VersionRegistered') AS registered_at,
            argMinIf(actor, sequence, type = 'VersionRegistered') AS registered_by,
            countIf(type = 'VersionDeleted') > 0 AS deleted,
            max(time) AS updated_at
        FROM changes
        GROUP BY model_id, version
    ),
    moves AS
    (
        -- A move names the version that moved and those it archived.
        SELECT model_id, moved.1 AS version, argMax(moved.2, sequence) AS stage
        FROM
        (
            SELECT
                model_id, sequence,
                arrayJoin(arrayConcat(
                    [(version, JSONExtractString(data, 'to'))],
                    arrayMap(other -> (other, 'Archived'), JSONExtract(data, 'archived', 'Array(UInt64)'))
                )) AS moved
            FROM changes
            WHERE type = 'VersionMoved'
        )
        GROUP BY model_id, version
    ),
    aliases AS
    (
        SELECT model_id, version, arraySort(groupArray(alias)) AS aliases
        FROM
        (
            SELECT model_id, JSONExtractString(data, 'alias') AS alias, argMax(version, sequence) AS version, argMax(type, sequence) AS last
            FROM changes
            WHERE type IN ('AliasAssigned', 'AliasRemoved')
            GROUP BY model_id, alias
        )
        WHERE last = 'AliasAssigned'
        GROUP BY model_id, version
    )
SELECT
    names.name AS name,
    versions.version AS version,
    if(moves.stage = '', 'None', moves.stage) AS stage,
    aliases.aliases AS aliases,
    JSONExtractString(registered, 'source') AS source,
    JSONExtract(registered, 'digest', 'Nullable(String)') AS digest,
    JSONExtract(registered, 'runId', 'Nullable(String)') AS run_id,
    registered_at, registered_by, updated_at,
    versions.model_id AS model_id
FROM versions
INNER JOIN names ON names.model_id = versions.model_id
LEFT JOIN moves ON moves.model_id = versions.model_id AND moves.version = versions.version
LEFT JOIN aliases ON aliases.model_id = versions.model_id AND aliases.version = versions.version
WHERE NOT names.deleted AND NOT versions.deleted;

-- For analysts: who moved which version where, and when; also those a move archived.
CREATE OR REPLACE VIEW millrace.model_version_moves AS
SELECT
    substring(subject, 7) AS model_id,
    JSONExtractUInt(data, 'version') AS version,
    JSONExtractString(data, 'from') AS from_stage,
    JSONExtractString(data, 'to') AS to_stage,
    JSONExtract(data, 'archived', 'Array(UInt64)') AS archived,
    actor, time, sequence
FROM millrace.decisions
WHERE _topic = 'millrace.registry.decisions' AND type = 'VersionMoved';
