-- Which version a variant was when the unit met it; empty and 0 where nobody served it, and in what was told before it was kept.
ALTER TABLE millrace.exposures ADD COLUMN IF NOT EXISTS model LowCardinality(String) DEFAULT '' AFTER deployment;

ALTER TABLE millrace.exposures ADD COLUMN IF NOT EXISTS version UInt32 DEFAULT 0 AFTER model;
