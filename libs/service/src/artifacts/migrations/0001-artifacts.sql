-- Every file a client wrote to the artifact store, in the order it happened; the last row of a path is what its bytes should be.
CREATE TABLE IF NOT EXISTS millrace.artifact_uploads
(
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    path String,
    sha256 Nullable(String),
    size Nullable(UInt64),
    time DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (path, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 1000;

-- For analysts: what the bytes of each file were when it was written last. Without a digest it was written past this server.
CREATE OR REPLACE VIEW millrace.artifacts AS
SELECT path, sha256, size, time AS uploaded_at
FROM millrace.artifact_uploads
ORDER BY _offset DESC
LIMIT 1 BY path;
