-- Why served values are missing. What was counted before has all of them under nulls.
ALTER TABLE millrace.statistics
    ADD COLUMN IF NOT EXISTS not_found UInt64 COMMENT 'Of served: values of entities without an event.' AFTER nulls,
    ADD COLUMN IF NOT EXISTS outside_max_age UInt64 COMMENT 'Of served: latest values older than the ttl of their view.' AFTER not_found,
    COMMENT COLUMN nulls 'Rows without a value that are in neither of the next two.';
