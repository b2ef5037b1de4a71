import { bodySchema, listField, textField, timeField } from '@millrace/service';

const POSITIONS = { type: 'object', additionalProperties: { type: 'array', items: { type: 'integer', minimum: 0 } } };

const SPINE = {
  type: 'object',
  description: 'The rows: one of `sql`, `rows`, `csv`, `source` and `predictions`.',
  properties: {
    sql: textField('A SELECT of ClickHouse.'),
    rows: listField('Objects with the join keys, the time and what else is to be kept.', { type: 'object' }, { minItems: 1 }),
    csv: textField('Its first line names the columns.'),
    source: textField('A Source: its events are the rows.'),
    columns: listField('With `source`: columns to be kept beside the keys and the time.'),
    from: timeField('With `source`: the first time.'),
    to: timeField('With `source`: the time after the last.'),
    predictions: {
      type: 'object',
      description: 'What was predicted; `{}` is everything.',
      properties: { deployment: textField('A Deployment.'), from: timeField('The first time.'), to: timeField('The time after the last.') },
    },
  },
  oneOf: ['sql', 'rows', 'csv', 'source', 'predictions'].map((field) => ({ required: [field] })),
};

export const TRAINING_SET_REQUEST = bodySchema(
  {
    featureService: textField('A FeatureService, or `name@version`.'),
    spine: SPINE,
    timestampColumn: textField('The column with each row’s time; `feature_time` of predictions unless given.'),
    fullFeatureNames: { type: 'boolean', default: false, description: 'Columns are called `view__feature`.' },
    asOf: {
      oneOf: [{ const: 'eventTime' }, POSITIONS],
      description: '`eventTime`: the final truth. Or topic -> next offset by partition: the log as it was there.',
    },
    asKnown: {
      oneOf: [{ type: 'string' }, { type: 'integer' }, POSITIONS],
      description:
        'What was known at a time, at a position such as `trips/0@41`, or at the offsets of topics; `served` of predictions: what each was answered from.',
    },
    output: textField('Where the rows go.', { enum: ['parquet', 'arrow', 'table'], default: 'parquet' }),
  },
  {
    required: ['featureService', 'spine'],
    examples: [
      {
        featureService: 'trip_features',
        spine: { rows: [{ driver_id: 7, event_time: '2026-01-31T12:00:00Z' }] },
        timestampColumn: 'event_time',
        asKnown: '2026-02-01T00:00:00Z',
      },
      { featureService: 'trip_features', spine: { predictions: { deployment: 'fares' } }, asKnown: 'served' },
    ],
  },
);

export const MATERIALIZATION_REQUEST = bodySchema(
  {
    from: {
      type: ['string', 'integer', 'null'],
      description:
        'The first event time, RFC 3339 or milliseconds. `null`: from the first row there is. Without it, from where the last one ended.',
    },
    to: timeField('The event time after the last; now unless given.'),
  },
  { examples: [{ from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z' }, { from: null }, {}] },
);

export const VERIFICATION_REQUEST = bodySchema(
  {
    deployment: textField('Only what a Deployment has served.'),
    featureService: textField('Only vectors of a FeatureService.'),
    from: timeField('Only from this time on.'),
    to: timeField('Only before this time.'),
  },
  { examples: [{ from: '2026-01-31T00:00:00Z' }, {}] },
);
