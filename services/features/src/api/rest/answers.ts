import {
  anyField,
  countField,
  enumField,
  listField,
  mapField,
  momentField,
  namedSchema,
  NEXT_PAGE,
  numberField,
  objectOf,
  orNull,
  textField,
  type JsonSchema,
} from '@millrace/service';
import type { MaterializationStatus } from '../../queries/materialization-status.query.js';
import type { RefusedRecords } from '../../queries/refused-records.query.js';
import type { SourceStatus, ViewStatus } from '../../queries/source-status.query.js';
import type { RejectedEvent } from '../../sources/event-intake.js';
import type { IntervalStatistics } from '../../statistics/read-statistics.js';
import type { FeatureVerification, Mismatch, Verification } from '../../verification/verify-served.js';

export const NO_SOURCE = { 404: 'There is no such source.' };
export const NO_TRAINING_SET = { 404: 'There is no such training set.' };

const OFFSETS = (description: string): JsonSchema => listField(description, { type: 'integer', minimum: 0 });

export const EVENTS_ANSWER = objectOf({
  accepted: countField('Events that are on the log now.'),
  rejected: listField(
    'The first that were not taken.',
    objectOf<RejectedEvent>({ line: countField('Its number in the body, from 1.'), reason: textField('Why.') }),
  ),
  'rejectedCount?': countField('How many were not taken, where `rejected` does not hold them all.'),
  position: listField('The last position written in each partition, `topic/partition@offset`.'),
});

const MATERIALIZED: { [K in keyof Required<MaterializationStatus>]: JsonSchema } = {
  watermark: orNull(momentField('Rows with event times before it are in the table; `null`: no run has finished.')),
  running: textField('The id of the run that is under way.', { type: ['string', 'null'] }),
};

export const SOURCE_ANSWER = namedSchema(
  'SourceStatus',
  objectOf<SourceStatus>({
    name: textField('The Source.'),
    topic: textField('Where its events are on the log.'),
    table: textField('Where analysts find them, with its database.'),
    end: OFFSETS('Offset after the last record, by partition.'),
    lag: countField('Records not yet applied to the view that is furthest behind.'),
    views: listField(
      'Feature views over it that are online.',
      objectOf<ViewStatus>({
        view: textField('The FeatureView.'),
        entity: textField('Its Entity.'),
        version: textField('The hash of what its values rest on.'),
        lag: countField('Records of the source not yet applied.'),
        next: OFFSETS('Offset of the next record to be applied, by partition.'),
      }),
    ),
    refused: objectOf<RefusedRecords>(
      {
        deadLetters: countField('Records of the topic that were put aside.'),
        recent: listField(
          'Of the newest 1,000, the most frequent first.',
          objectOf<RefusedRecords['recent'][number]>({
            kind: textField('What is wrong with them.'),
            count: countField('How many.'),
            example: textField('What was said of one of them.'),
            last: textField('Where the newest is on the log.'),
          }),
        ),
      },
      { description: 'Records that are no events of it.' },
    ),
    'materialization?': objectOf<MaterializationStatus>(MATERIALIZED, { description: 'Of a source with a query, a table or files.' }),
  }),
);
export const SOURCES_ANSWER = objectOf({
  sources: listField('That are running, by name.', SOURCE_ANSWER),
  problems: mapField('Why a resource that is applied cannot be used, by `Kind/name`: all of them, on every page.', { type: 'string' }),
  ...NEXT_PAGE,
});

export const MATERIALIZATION_ANSWER = namedSchema(
  'Materialization',
  objectOf({
    id: textField('Names it in paths.'),
    version: countField('Of the source’s definition.'),
    status: enumField('How it stands.', ['running', 'finished', 'failed', 'cancelled']),
    trigger: enumField('What began it.', ['request', 'schedule']),
    actor: textField('Who asked for it.'),
    from: orNull(momentField('The first event time; `null`: from the first row there is.')),
    to: momentField('The event time after the last.'),
    reached: orNull(momentField('Rows with event times before it are in the table; `null`: none yet.')),
    rows: objectOf({
      read: countField('So far.'),
      appended: countField('New, or other than the table had them.'),
      unchanged: countField('The table has them already.'),
      rejected: countField('They do not fit the source’s schema.'),
      total: orNull(countField('There are to be read; `null` where this process does not know.')),
    }),
    rejected: listField(
      'The first rows that were not taken.',
      objectOf({ time: orNull(momentField('Of the event; `null` where it has none.')), reason: textField('Why.') }),
    ),
    startedAt: momentField('When it began.'),
    endedAt: orNull(momentField('When it was over; `null` while it runs.')),
    'error?': textField('Of a failed one: why.'),
    'code?': textField('Of a failed one: `MR_FEATURES_…`.'),
  }),
);
export const MATERIALIZATIONS_ANSWER = objectOf({
  source: textField('The Source.'),
  count: countField('How many there have been; the last 200 are shown.'),
  ...MATERIALIZED,
  materializations: listField('The newest first.', MATERIALIZATION_ANSWER),
  ...NEXT_PAGE,
});

const QUANTILE = numberField('The value that this part of the values is below.');
const SERIES = listField(
  'Intervals with a value, in order of time.',
  namedSchema(
    'IntervalStatistics',
    objectOf<IntervalStatistics>({
      from: momentField('The first time of the interval.'),
      to: momentField('The time after its last.'),
      count: countField('Values looked at; of features at the times of events a sample.'),
      population: countField('Values there are.'),
      nulls: countField('Values that are null.'),
      notFound: countField('Of what was served: values of entities without an event.'),
      outsideMaxAge: countField('Of what was served: latest values past their view’s ttl.'),
      distinct: countField('Different values, within about 2 %.'),
      min: { type: ['number', 'string', 'null'], description: 'A text of times; `null` where there is none to tell, as below.' },
      max: { type: ['number', 'string', 'null'], description: 'A text of times.' },
      mean: orNull(numberField('Of the numbers.')),
      stddev: orNull(numberField('Of the sample, divided by n - 1.')),
      quantiles: {
        ...orNull(
          namedSchema(
            'Quantiles',
            objectOf({ p01: QUANTILE, p05: QUANTILE, p25: QUANTILE, p50: QUANTILE, p75: QUANTILE, p95: QUANTILE, p99: QUANTILE }),
          ),
        ),
        description: 'Of the numbers, estimated.',
      },
      histogram: {
        ...orNull(
          namedSchema(
            'Histogram',
            objectOf({
              edges: listField('One more than there are counts.', { type: 'number' }),
              counts: OFFSETS('Values between one edge and the next.'),
            }),
          ),
        ),
        description: 'Of the numbers.',
      },
      top: {
        ...orNull(listField('', objectOf({ value: textField('The text.'), count: countField('How often.') }))),
        description: 'Of texts: the most frequent.',
      },
    }),
  ),
);
const BEHIND = objectOf(
  {
    records: countField('Records that are in the table and not in the numbers.'),
    hours: countField('Hours whose features are still to be computed.'),
  },
  { description: 'What is not in the numbers yet.' },
);
export const SOURCE_STATISTICS_ANSWER = objectOf({
  source: textField('The Source.'),
  behind: BEHIND,
  columns: listField('As they were asked for.', objectOf({ name: textField('Of the column.'), series: SERIES })),
});
export const FEATURE_STATISTICS_ANSWER = objectOf({
  view: textField('The FeatureView.'),
  version: textField('The hash of what its values rest on.'),
  of: enumField('At the times of events, or as they were served.', ['events', 'served']),
  behind: BEHIND,
  features: listField('As they were asked for.', objectOf({ name: textField('Of the feature.'), series: SERIES })),
});

const VERIFICATION: { [K in keyof Required<Verification>]: JsonSchema } = {
  compared: countField('Vectors whose every value was recomputed.'),
  mismatches: countField('Those of them with a value that differs; anything but 0 is a defect of the platform.'),
  features: listField(
    'By view and feature.',
    objectOf<FeatureVerification>({
      view: textField('The FeatureView.'),
      feature: textField('Of the view.'),
      compared: countField('Values that were recomputed.'),
      mismatches: countField('Those of them that differ.'),
    }),
  ),
  unverifiable: mapField('Vectors that cannot be recomputed, by reason; in neither count above.', { type: 'integer', minimum: 0 }),
  examples: listField(
    'The first 20 differences.',
    objectOf<Mismatch>({
      'predictionId?': textField('Where it was served for a prediction.'),
      'readId?': textField('Where it was served to a read.'),
      row: countField('Of the request, from 0.'),
      view: textField('The FeatureView.'),
      feature: textField('Of the view.'),
      entity: mapField('Its join keys.', {}),
      at: momentField('The time the features are of.'),
      served: anyField('The value that was answered.'),
      recomputed: anyField('What the offline store tells.'),
    }),
  ),
};
export const VERIFICATION_ANSWER = objectOf({ ...VERIFICATION, of: textField('Which vectors are meant.') });
export const LAST_VERIFICATION_ANSWER = objectOf({
  last: {
    ...orNull(
      namedSchema(
        'VerificationReport',
        objectOf({ ...VERIFICATION, from: momentField('The first time of the answers.'), to: momentField('The time after the last.') }),
      ),
    ),
    description: '`null` before the first.',
  },
});

const TRAINING_SET_FIELDS = {
  id: textField('Names it in paths: the digest of what is in it.'),
  featureService: textField('As it was asked for: a FeatureService, or `name@version`.'),
  'featureServiceVersion?': countField('The version that was, which a model trained on it pins.'),
  pii: listField('Columns of features that tell about a person.'),
  timestampColumn: textField('The column with each row’s time.'),
  format: countField(
    'How it is written, which its id has in it. Sets of a former format stay readable; asked for again, they get another id.',
  ),
  positions: mapField('Topic -> next offset by partition: what was known.', OFFSETS('By partition.')),
  versions: mapField('The version of each FeatureView, by its name.', { type: 'string' }),
  'knownBy?': { const: 'row', description: 'Of what was known, each row has only what its own prediction was made with.' },
  requestedAt: momentField('When.'),
};

export const TRAINING_SET_ANSWER = namedSchema('TrainingSet', {
  oneOf: [
    objectOf({
      ...TRAINING_SET_FIELDS,
      status: { const: 'requested' },
      progress: {
        ...orNull(
          namedSchema(
            'BuildProgress',
            objectOf({ stage: textField('What is done now.'), done: countField('Of the stage.'), total: countField('Of the stage.') }),
          ),
        ),
        description: '`null` where another process builds it, or it waits.',
      },
    }),
    objectOf({ ...TRAINING_SET_FIELDS, status: { const: 'failed' }, error: textField('Why.'), code: textField('`MR_…`.') }),
    objectOf({
      ...TRAINING_SET_FIELDS,
      status: { const: 'built' },
      rows: countField('There are.'),
      columns: listField('In their order.', objectOf({ name: textField('Of the column.'), type: textField('In ClickHouse’s words.') })),
      bytes: countField('Of the file.'),
      sha256: textField('Of the file, hexadecimal.'),
      uri: textField('Where the file is in the artifact store.'),
      'table?': textField('The table with the same rows, where one was asked for.'),
      builtAt: momentField('When.'),
    }),
  ],
});
export const TRAINING_SETS_ANSWER = objectOf({ trainingSets: listField('The newest first.', TRAINING_SET_ANSWER), ...NEXT_PAGE });
