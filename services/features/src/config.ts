import { defineConfig, directories, duration, flag, integer, size, variable } from '@millrace/service';

/** Variables of this service alone; those every process shares are the kit's. */
export const featuresConfig = defineConfig('features', {
  maxIngestBytes: variable(
    'MILLRACE_FEATURES_MAX_INGEST',
    size('256MiB'),
    'Body of one events request at most; it is read as a stream and never held whole, unless it asks to be atomic.',
  ),
  maxAtomicIngestBytes: variable(
    'MILLRACE_FEATURES_MAX_ATOMIC_INGEST',
    size('16MiB'),
    'Body of one events request at most that is accepted whole or not at all, or that is a JSON array or a CloudEvents batch.',
  ),
  maxEventBytes: variable('MILLRACE_FEATURES_MAX_EVENT', size('512KiB'), 'One event at most; a longer one is refused by line.'),
  maxAheadMs: variable(
    'MILLRACE_FEATURES_MAX_AHEAD',
    duration('1d', { most: '36500d' }),
    'How far an event time may lie after the time its record was made. One event of the year 2190 would push all others behind the horizon. At most `36500d`.',
  ),
  maxOnlineRows: variable('MILLRACE_FEATURES_MAX_ONLINE_ROWS', integer(1, 1_000_000, 10_000), 'Entity rows of one online read at most.'),
  feastStrict: variable(
    'MILLRACE_FEATURES_FEAST_STRICT',
    flag(false),
    "Feast's endpoints answer as Feast's own server: values past their ttl and nulls are PRESENT, a caller's mistake is a 500. `?compat=strict` and `?compat=mended` of a request go before it.",
  ),
  materializeDeadlineMs: variable(
    'MILLRACE_FEATURES_MATERIALIZE_DEADLINE',
    duration('10m', { least: '1ms' }),
    "How long a materialization waits for the stores to hold what the log holds, and how long a source's query may take.",
  ),
  materializePageRows: variable(
    'MILLRACE_FEATURES_MATERIALIZE_PAGE',
    integer(1, 1_000_000, 20_000),
    'Rows of a query, a table or files that are appended before the progress is put on the log, at most; fewer where they are long.',
  ),
  materializeSilenceMs: variable(
    'MILLRACE_FEATURES_MATERIALIZE_SILENCE',
    duration('1m', { least: '1s' }),
    'A materialization that showed no sign of life for so long is taken over by another replica.',
  ),
  fileRoots: variable(
    'MILLRACE_FEATURES_FILE_ROOTS',
    directories(),
    'Directories whose files a source may read as file:///..., separated by commas. None unless it is set: then only files of the artifact store.',
  ),
  maxFileBytes: variable(
    'MILLRACE_FEATURES_MAX_FILE',
    size('1GiB'),
    'One Parquet or CSV file of a source at most. It is held in memory while ClickHouse reads it.',
  ),
  maxCachedEvents: variable(
    'MILLRACE_FEATURES_MAX_CACHED_EVENTS',
    integer(1_000, 1_000_000_000, 2_000_000),
    'Events one view keeps in memory per partition between batches; about 40 bytes each.',
  ),
  maxTrainingRows: variable(
    'MILLRACE_FEATURES_MAX_TRAINING_ROWS',
    integer(1, 1_000_000_000, 5_000_000),
    'Rows of one training set at most.',
  ),
  maxSpineBytes: variable(
    'MILLRACE_FEATURES_MAX_SPINE',
    size('256MiB'),
    'Body of one request for a training set at most: the rows it brings, as JSON, CSV or Parquet. It is held in memory.',
  ),
  maxBufferedVectors: variable(
    'MILLRACE_FEATURES_MAX_BUFFERED_VECTORS',
    integer(1, 10_000_000, 20_000),
    'Vectors of logged reads that wait in memory while the log is away, at most; beyond, new ones are shed and counted, and the reads are answered all the same.',
  ),
  verifyEveryMs: variable(
    'MILLRACE_FEATURES_VERIFY_EVERY',
    duration('1h', { least: '1s' }),
    'How often what was served since is recomputed from the offline store. Each replica checks for itself.',
  ),
  statisticsEveryMs: variable(
    'MILLRACE_FEATURES_STATISTICS_EVERY',
    duration('1m', { least: '1s' }),
    'How often what came since is counted in the statistics of sources and features. A question counts what is missing first.',
  ),
  statisticsSample: variable(
    'MILLRACE_FEATURES_STATISTICS_SAMPLE',
    integer(0, 100_000, 500),
    'Events of an hour at whose times a view is computed for its statistics, at most; 0 turns these statistics off.',
  ),
  trainingDeadlineMs: variable(
    'MILLRACE_FEATURES_TRAINING_DEADLINE',
    duration('5m', { least: '1ms' }),
    'How long a training set waits for the source tables to reach its positions.',
  ),
});
