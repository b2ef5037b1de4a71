-- Which API key a decision was made with; empty where none was, and on what was decided before this was written down.
ALTER TABLE millrace.decisions ADD COLUMN IF NOT EXISTS key_id String DEFAULT '' AFTER actor;
