import {
  countField,
  doubleField,
  enumField,
  flagField,
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
import type { Arm, Arms, Evidence, GateJudgement, RolloutStep } from '../../domain/rollout/rollout.events.js';
import type { TensorSpec } from '../../domain/tensor/tensor.js';

export const NO_JOB = { 404: 'There is no such batch job.' };
export const NO_ROLLOUT = { 404: 'There is no such rollout.' };
export const NO_STREAM = { 404: 'There is no such StreamingInference.' };
export const NO_VERSION = { 404: 'There is no such registered model, or no such version of it.' };

const maybeText = (description: string): JsonSchema => textField(description, { type: ['string', 'null'] });
const OFFSETS = (description: string): JsonSchema => mapField(description, { type: 'integer', minimum: 0 });
const COLUMNS = (description: string): JsonSchema =>
  listField(description, objectOf({ name: textField('Of the column.'), type: textField('In ClickHouse’s words.') }));

const INPUT_DIGEST = textField('SHA-256 of the rows, hexadecimal.');
const INPUT: JsonSchema = {
  oneOf: [
    objectOf({ kind: { const: 'query' }, sql: textField('The SELECT that gave the rows.'), digest: INPUT_DIGEST }),
    objectOf({ kind: { const: 'file' }, format: enumField('Of the file that was sent.', ['parquet', 'csv']), digest: INPUT_DIGEST }),
    objectOf({ kind: { const: 'trainingSet' }, trainingSetId: textField('Whose rows they are.'), digest: INPUT_DIGEST }),
  ],
  description: 'Where its rows come from.',
};

export const BATCH_JOB_ANSWER = namedSchema(
  'BatchJob',
  objectOf({
    id: textField('Names it in paths: the digest of what it computes.'),
    status: enumField('How it stands.', ['running', 'completed', 'failed', 'cancelled']),
    deployment: maybeText('The Deployment that was named; `null` when it was a model.'),
    model: textField('The registered model that scores.'),
    version: countField('Its version, pinned when the job was accepted.'),
    input: INPUT,
    columns: COLUMNS('Of the input, in order.'),
    featureService: maybeText('Whose features are looked up for each row.'),
    featureTime: orNull(momentField('The time the features are of; `null` without a feature service.')),
    outputs: listField('Of the model, in the order of their columns.'),
    onRowError: enumField('A row that fails has its error in a column, or fails the job.', ['column', 'fail']),
    log: enumField('Which rows are recorded as predictions.', ['none', 'sampled', 'all']),
    sampleRate: numberField('The share of the rows that are recorded, 0 to 1.'),
    progress: objectOf({
      stage: enumField('What this process does with it: `elsewhere` where another process has it.', [
        ...['waiting', 'input', 'scoring', 'output', 'elsewhere', 'over'],
      ]),
      rows: countField('Scored so far.'),
      failedRows: countField('Of them without values.'),
      totalRows: countField('Of the input.'),
      chunks: countField('Whose values are kept already, which a restart does not repeat.'),
      totalChunks: countField('Of the input.'),
    }),
    'output?': objectOf(
      {
        rows: countField('Of the output.'),
        failedRows: countField('Of them without values.'),
        columns: COLUMNS('Of the output, in order.'),
        bytes: countField('Of the Parquet file.'),
        sha256: textField('Of the Parquet file, hexadecimal.'),
        table: maybeText('The table with the same rows, where one was asked for.'),
        'uri?': textField('Where the Parquet file is in the artifact store; absent once it is deleted.'),
        'deletedAt?': momentField('When it was deleted.'),
      },
      { description: 'Of a completed one.' },
    ),
    'error?': textField('Of a failed one: why.'),
    'code?': textField('Of a failed one: `MR_…`.'),
    'row?': orNull(countField('Of a failed one: the row it failed with.')),
    attempt: countField('How often it was asked for and begun, from 1.'),
    actor: textField('Who asked for it.'),
    requestedAt: momentField('When.'),
    endedAt: orNull(momentField('When it was over; `null` while it runs.')),
  }),
);
export const BATCH_JOBS_ANSWER = objectOf({ batchJobs: listField('The newest first.', BATCH_JOB_ANSWER), ...NEXT_PAGE });

export const INVOCATION_ANSWER = objectOf({
  predictions: { description: 'As MLflow’s model server gives them: a list with an item a row, or an object of such lists by output.' },
});

export const LABELS_ANSWER = objectOf({
  recorded: countField('Labels that are on the log now.'),
  'warnings?': listField('What may be wrong though they were taken: no such deployment has answered, say.'),
});

export const EDGE_ANSWER = objectOf({ recorded: countField('Predictions that are on the log now.') });

const GATE = objectOf<GateJudgement>({
  metric: textField('What is judged, as `error_rate`.'),
  label: maybeText('Of a gate over labels: which.'),
  guard: flagField('It may only stop the rollout; its passing is not waited for.'),
  verdict: enumField('What it says so far.', ['passed', 'failed', 'undecided']),
  estimate: orNull(doubleField('The candidate’s value less the primary’s, or the candidate’s own where the bound is a limit.')),
  lower: orNull(doubleField('Of the interval that holds however often it is looked at.')),
  upper: orNull(doubleField('Of the same interval.')),
  bound: numberField('Margin or limit that the verdict is about.'),
  samples: countField('It rests on.'),
  more: orNull(numberField('Samples that may still be needed, estimated; `null` where that cannot be told.')),
  numbers: mapField('What it was computed from, by name.', orNull(numberField('The number.'))),
});
const EVIDENCE = namedSchema(
  'RolloutEvidence',
  objectOf<Evidence>({
    requests: objectOf<Evidence['requests']>({
      primary: countField('That the primary answered.'),
      candidate: countField('That the candidate answered, or was mirrored.'),
    }),
    gates: listField('In their order.', GATE),
    positions: OFFSETS('`topic/partition` -> next offset: what was counted.'),
  }),
);
const ARM = objectOf<Arm>({ model: textField('The registered model.'), version: countField('Its version.') });

const ROLLOUT_FIELDS = {
  name: textField('The Rollout.'),
  status: enumField('How it stands; `waiting` has not begun.', [
    'waiting',
    'absent',
    'running',
    'paused',
    'promoted',
    'rolledBack',
    'withdrawn',
  ]),
  run: countField('How often it has begun; 0: not yet.'),
  version: countField('Of the definition that it runs by, or will when it begins.'),
  waitsFor: maybeText('All that it waits for before it begins or goes on, or why its promoted candidate does not answer; `null`: nothing.'),
  'deployment?': textField('Whose requests are divided.'),
  'candidate?': textField('The model that is tried, `models:/…`.'),
  'strategy?': enumField('How requests are divided.', ['blue-green', 'canary', 'shadow', 'ab', 'bandit']),
  'steps?': listField(
    'In their order.',
    objectOf<RolloutStep>({
      share: numberField('Of the units that the candidate answers, 0 to 1.'),
      pauseMs: countField('Milliseconds that it takes at least.'),
      samples: countField('Samples that it takes at least.'),
    }),
  ),
  'mirror?': numberField('Share of the requests, 0 to 1, that the candidate gets beside the primary.'),
  'arms?': objectOf<Arms>({ primary: ARM, candidate: ARM }, { description: 'The versions that are compared.' }),
  step: countField('The step it is at, from 0.'),
  share: numberField('The candidate’s share of the units now, 0 to 1.'),
  isConcluded: flagField('The gates have said what they can; a person decides what follows.'),
  reason: textField('Why it stands so; may be empty.'),
  'startedAt?': momentField('When it began.'),
  'stepSince?': momentField('When the step began.'),
  evidence: { ...orNull(EVIDENCE), description: 'The gates as they are now; `null` before anything was counted.' },
};
export const ROLLOUT_ANSWER = namedSchema('RolloutStatus', objectOf(ROLLOUT_FIELDS));
export const ROLLOUTS_ANSWER = objectOf({ rollouts: listField('By name.', ROLLOUT_ANSWER), ...NEXT_PAGE });
export const EXPLANATION_ANSWER = objectOf({
  ...ROLLOUT_FIELDS,
  decisions: listField(
    'The oldest first.',
    objectOf({
      sequence: countField('Its number, from 1.'),
      type: textField('The event’s type, as `RolloutAdvanced`.'),
      actor: textField('Who decided it; `inference` by the gates.'),
      data: { type: 'object', description: 'What the event holds; its schema is in the AsyncAPI document of the log.' },
      time: momentField('When.'),
    }),
  ),
});

const TENSORS = (description: string): JsonSchema =>
  listField(
    description,
    objectOf<Omit<TensorSpec, 'shape'> & { shape?: readonly number[] }>({
      name: textField('Of the tensor.'),
      datatype: textField('As the Open Inference Protocol calls it.'),
      'shape?': listField('-1 is any length; absent where the graph does not say it.', { type: 'integer' }),
    }),
  );
const CHECKED = {
  model: textField('The registered model’s name.'),
  version: countField('The version’s number.'),
  digest: maybeText('SHA-256 of its artifact, hexadecimal.'),
};
export const VERSION_CHECK_ANSWER: JsonSchema = {
  oneOf: [
    objectOf({
      ...CHECKED,
      servable: { const: true },
      inputs: TENSORS('That a request has.'),
      outputs: TENSORS('That an answer has.'),
      stripped: listField('Outputs that were lists of maps and are served as tensors.'),
      widened: listField('Half-precision inputs and outputs that are FP32 in requests and answers.'),
      place: enumField('Where it would run, by its warm-up.', ['in-loop', 'worker']),
      runMs: orNull(numberField('Milliseconds of a run with one row, the middle of its warm-up; `null` where it could not be warmed up.')),
      warmUpError: maybeText('Why it could not be warmed up with zeros.'),
      mixesRows: flagField('A row’s answer depends on the rows beside it, so each request runs by itself.'),
    }),
    objectOf({ ...CHECKED, servable: { const: false }, reason: textField('Why it cannot be served.') }),
  ],
};

export const TRIAL_ANSWER: JsonSchema = objectOf({
  model_name: textField('As it was asked for.'),
  model_version: textField('That answered.'),
  id: textField('Of the request, or of the prediction.'),
  parameters: { type: 'object', description: 'The id of the prediction.' },
  outputs: listField(
    'Of the model.',
    objectOf({
      name: textField('Of the output.'),
      datatype: textField('`FP32` and the like.'),
      shape: listField('Its sizes.', { type: 'integer', minimum: 0 }),
      data: listField('Its values.', {}),
    }),
  ),
});

export const STREAM_ANSWER = namedSchema(
  'StreamStatus',
  objectOf({
    name: textField('The StreamingInference.'),
    version: countField('Of its definition.'),
    status: enumField('How it stands.', ['running', 'stalled', 'waiting', 'blocked', 'suspended']),
    reason: maybeText('Why it does not run.'),
    deployment: textField('Which predicts.'),
    source: textField('The Source whose events are predicted.'),
    topic: maybeText('Of the source; `null` where the source is not there.'),
    outputTopic: textField('Where the predictions go.'),
    generation: countField('Grows when all is to be predicted anew.'),
    startedAt: orNull(momentField('When this process began with it; `null` where it has not.')),
    lag: countField('Events that wait, of all partitions.'),
    lagSeconds: orNull(numberField('Age of the oldest that waits in this process’s partitions, in seconds; `null` where it has none.')),
    partitions: listField(
      'Of the source’s topic.',
      objectOf({
        partition: countField('Its number.'),
        next: countField('Offset of the first event that is not done with.'),
        end: countField('Offset after the last event.'),
        lag: countField('Events between them.'),
        lagSeconds: orNull(numberField('Age of the oldest that waits; `null` where another process has the partition.')),
        isHere: flagField('Whether this process has it.'),
        error: maybeText('Why it does not come on.'),
      }),
    ),
  }),
);
export const STREAMS_ANSWER = objectOf({ streams: listField('By name.', STREAM_ANSWER), ...NEXT_PAGE });
