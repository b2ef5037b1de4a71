-- Of a span (rows of kind `text`): the span it is part of, and as JSON the tokens it tells of. Together they give the tokens of a trace that only spans tell of.
ALTER TABLE millrace.trace_facts ADD COLUMN IF NOT EXISTS parent String, ADD COLUMN IF NOT EXISTS usage String;
