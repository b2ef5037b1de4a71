-- Records at the end of a topic that gave a table no rows. A projection's checkpoint is its table's last offset, and another process that
-- waits for a position behind it cannot see that the reader has passed. Each row is a statement about the log, which never changes:
-- between `after` and `next` there is nothing for this table.
CREATE TABLE IF NOT EXISTS millrace.rowless_tails
(
    table_name LowCardinality(String),
    topic LowCardinality(String),
    partition UInt32,
    after UInt64,
    next UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (table_name, topic, partition);
