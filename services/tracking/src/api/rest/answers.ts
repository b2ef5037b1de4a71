import {
  countField,
  doubleField,
  enumField,
  flagField,
  listField,
  momentField,
  namedSchema,
  numberField,
  objectOf,
  orNull,
  textField,
  type JsonSchema,
} from '@millrace/service';
import type { Garbage } from '../../commands/garbage-collection.js';
import type { BestRun, ComparedMetric, ComparedValue } from '../../queries/compare-runs.query.js';
import type { SeriesBucket, SeriesPoint } from '../../queries/metric-series.query.js';

export const NO_RUN = { 404: 'There is no such run.' };

const MILLISECONDS = { type: 'integer', minimum: 0 };

const POINT = namedSchema(
  'MetricPoint',
  objectOf<SeriesPoint>({
    value: doubleField('What was logged.'),
    timestamp: { ...MILLISECONDS, description: 'Milliseconds since the epoch, as the client gave it.' },
    step: { type: 'integer', description: 'As the client gave it.' },
  }),
);

export const HISTORY_ANSWER = objectOf({
  runId: textField('The run.'),
  key: textField('The metric.'),
  axis: enumField('What the buckets are cut along.', ['step', 'timestamp']),
  points: countField('Points between `from` and `to`, of which the buckets show some.'),
  buckets: listField(
    'Equal parts of the axis that have a point, in its order.',
    objectOf<SeriesBucket>({
      from: { type: 'integer', description: 'The step, or milliseconds since the epoch, of the part’s first point.' },
      to: { type: 'integer', description: 'The same of its last point.' },
      count: countField('Points of the part.'),
      min: { ...orNull(POINT), description: 'The point of the least value; `null` where every value is NaN.' },
      max: { ...orNull(POINT), description: 'The point of the greatest value; `null` where every value is NaN.' },
      last: POINT,
    }),
  ),
});

const COMPARED_RUN = objectOf({
  runId: textField('The run.'),
  name: textField('The run’s name.'),
  experimentId: textField('The experiment it belongs to.'),
  status: enumField('As MLflow calls it.', ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED']),
  startTime: orNull(momentField('When it began; `null` for a time that RFC 3339 has no year for.')),
  endTime: orNull(momentField('When it ended; `null` while it runs, and for a time that RFC 3339 has no year for.')),
  deleted: flagField('Whether it, or its experiment, is deleted.'),
});

const DIFFERS = flagField('Whether two of the runs differ in it; one without it differs from one with it.');
const POSITIONS = listField('Where each run lies along it, in the order of `runs`; `null` where a run has none.', {
  type: ['number', 'null'],
});
const OF = enumField('What it shows.', ['param', 'metric']);

const DIMENSION: JsonSchema = {
  oneOf: [
    objectOf({
      of: OF,
      key: textField('Of the parameter or metric.'),
      positions: POSITIONS,
      scale: { const: 'number', description: 'Positions are the values.' },
      min: numberField('The least position.'),
      max: numberField('The greatest position.'),
    }),
    objectOf({
      of: OF,
      key: textField('Of the parameter.'),
      positions: POSITIONS,
      scale: { const: 'category', description: 'Positions are places in `categories`, from 0.' },
      categories: listField('The values, in their order.'),
    }),
  ],
};

const IMPORTANCE: JsonSchema = {
  oneOf: [
    objectOf({
      kind: { const: 'found', description: 'There were enough runs to tell.' },
      runs: countField('Runs it was learned from.'),
      explained: numberField(
        'Part of the metric’s variance, up to 1, that the parameters explain of runs not learned from; near 0 the order says nothing.',
      ),
      params: listField(
        'The most important first.',
        objectOf({
          key: textField('The parameter.'),
          importance: numberField('How much worse the forest predicts the metric when the parameter is shuffled.'),
          share: numberField('Its part, 0 to 1, of the importance of all.'),
        }),
      ),
    }),
    objectOf({ kind: { const: 'unknown', description: 'It cannot be told.' }, reason: textField('Why.') }),
  ],
  description: 'Which parameters moved `metric`; only where that was asked for.',
};

export const COMPARISON_ANSWER = objectOf({
  runs: listField('As they were named, or the newest first.', COMPARED_RUN),
  params: listField(
    'By key.',
    objectOf<ComparedValue<string>>({
      key: textField('The parameter.'),
      differs: DIFFERS,
      values: listField('In the order of `runs`; `null` where a run has none.', { type: ['string', 'null'] }),
    }),
  ),
  metrics: listField(
    'By key; the last value of each run.',
    objectOf<ComparedMetric>({
      key: textField('The metric.'),
      differs: DIFFERS,
      values: listField('In the order of `runs`; `null` where a run has none.', orNull(doubleField('The last value.'))),
      lowest: textField('The run with the least value; `null` when none has a number.', { type: ['string', 'null'] }),
      highest: textField('The run with the greatest value; `null` when none has a number.', { type: ['string', 'null'] }),
    }),
  ),
  parallelCoordinates: listField('Axes of a plot: parameters that differ, and metrics.', DIMENSION),
  'metric?': textField('As it was asked for.'),
  'goal?': enumField('Of `metric`.', ['minimize', 'maximize']),
  'best?': {
    ...orNull(namedSchema('BestRun', objectOf<BestRun>({ runId: textField('The run.'), value: doubleField('Its last value.') }))),
    description: 'The run with the best value of `metric`; `null` when none has a number.',
  },
  'importance?': IMPORTANCE,
});

export const FILES_ANSWER = objectOf({
  runId: textField('The run.'),
  files: listField(
    'By path.',
    objectOf({
      path: textField('Below the run’s artifacts.'),
      size: orNull(countField('Bytes; `null` where the file is gone.')),
      sha256: textField('When it was uploaded, as hexadecimal digits; `null` where that is not recorded.', { type: ['string', 'null'] }),
      uploadedAt: { ...orNull(momentField('When; `null` where that is not recorded.')) },
      'state?': enumField('With `verify=true`: what reading it found.', ['intact', 'changed', 'missing', 'unrecorded']),
    }),
  ),
  'intact?': flagField('With `verify=true`: no file is changed or missing.'),
});

const IDS = { type: 'string' };

export const GARBAGE_ANSWER = objectOf<Garbage>({
  runs: listField('Runs that went, or would go.', IDS),
  experiments: listField('Experiments that went, or would go.', IDS),
  left: listField('Addresses of artifacts outside this server’s store, which stay where they are.', IDS),
  notDeleted: listField('Ids that were asked for and are not deleted, or not there.', IDS),
  needed: listField(
    'Deleted runs that stay because a registered version needs their files.',
    objectOf<Garbage['needed'][number]>({ run: textField('The run.'), by: listField('What needs it, as `version 3 of delay`.') }),
  ),
});
