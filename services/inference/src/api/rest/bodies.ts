import { bodySchema, type JsonSchema, listField, textField, timeField } from '@millrace/service';

export const BATCH_JOB_REQUEST = bodySchema(
  {
    deployment: textField('A Deployment whose model scores; this, or `model`.'),
    model: textField('`models:/name@alias` or `models:/name/1`.'),
    input: {
      type: 'object',
      description: 'The rows, one of the three; or send a Parquet or CSV file as the body.',
      properties: {
        query: textField('A SELECT of ClickHouse.'),
        csv: textField('Its first line names the columns.'),
        trainingSet: textField('The id of a training set.'),
      },
      additionalProperties: false,
      minProperties: 1,
      maxProperties: 1,
    },
    features: listField('The columns that the model takes, where their names do not say it.'),
    featureService: textField('A FeatureService whose features are looked up for each row.'),
    eventTime: timeField('The time the features are of.'),
    outputs: listField('Only these outputs of the model.'),
    prefix: textField('Stands before the names of outputs.', { default: '' }),
    keep: listField('Columns of the rows that are kept; all unless given.'),
    onRowError: textField('A row that fails gets its error in a column, or fails the job.', {
      enum: ['column', 'fail'],
      default: 'column',
    }),
    log: textField('Which rows are recorded as predictions.', { enum: ['none', 'sampled', 'all'], default: 'none' }),
    sampleRate: { type: 'number', exclusiveMinimum: 0, maximum: 1, default: 0.01, description: 'The share that `sampled` records.' },
    output: textField('Where the result goes.', { enum: ['parquet', 'table'], default: 'parquet' }),
    chunkRows: { type: 'integer', minimum: 1, maximum: 100_000, description: 'Rows of a chunk, which is what a killed job repeats.' },
  },
  {
    required: ['input'],
    rest: { oneOf: [{ required: ['deployment'] }, { required: ['model'] }] },
    examples: [{ model: 'models:/fares@champion', input: { query: 'SELECT * FROM trips' }, log: 'sampled', output: 'table' }],
  },
);

const TENSOR: JsonSchema = {
  type: 'object',
  description: 'As the Open Inference Protocol has it.',
  properties: {
    name: textField('Of the input.'),
    shape: listField('Its sizes.', { type: 'integer', minimum: 0 }),
    datatype: textField('`FP32` and the like.'),
    data: listField('Its values.', {}),
  },
  required: ['name', 'shape', 'datatype', 'data'],
};

export const TRIAL_REQUEST = bodySchema(
  {
    id: textField('Comes back with the answer.'),
    parameters: { type: 'object', description: 'Of the request.' },
    inputs: listField('Of the model.', TENSOR),
    outputs: listField('Only these; all unless given.', { type: 'object' }),
  },
  { required: ['inputs'], open: true, examples: [{ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [40] }] }] },
);

export const ROLLOUT_ACTION = bodySchema(
  { reason: textField('Stands in the decision.', { maxLength: 1000 }) },
  { examples: [{ reason: 'the complaints of this morning' }, {}] },
);

const TRUTH = { type: ['number', 'boolean', 'string'], description: 'What became of it.' };

export const LABEL = bodySchema(
  {
    predictionId: textField('Of the answer; or `unit` and `predictedAt`.'),
    row: { type: 'integer', minimum: 0, default: 0, description: 'Of a request with several.' },
    unit: textField('Who or what it was about.'),
    predictedAt: timeField('The prediction is the last one of the unit until then.'),
    name: textField('Of the label.', { default: 'label' }),
    value: TRUTH,
    time: timeField('When it became known; now unless given.'),
    id: textField('The same label again has the same id, and counts once.'),
  },
  {
    required: ['value'],
    rest: { anyOf: [{ required: ['predictionId'] }, { required: ['unit', 'predictedAt'] }] },
    examples: [
      { predictionId: '01937a3b-5b6c-7def-8123-456789abcdef', value: true },
      { unit: 'card-7', predictedAt: '2026-01-31T12:00:00Z', name: 'fraud', value: 1 },
    ],
  },
);

const ID = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]{7,127}$' };
const MOMENT = { type: 'integer', minimum: 0, description: 'Milliseconds since the epoch.' };
const BY_NAME = { type: ['object', 'null'] };

export const EDGE_UPLOAD = bodySchema(
  {
    device: { ...ID, description: 'Whose browser or machine it was.' },
    session: { ...ID, description: 'A run of the exported model there.' },
    runner: textField('What ran it.', { enum: ['web', 'node'] }),
    sentAt: MOMENT,
    graph: { type: ['string', 'null'], pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the exported graph.' },
    deployment: { type: ['string', 'null'], description: 'A Deployment that they count for.' },
    digest: { type: ['string', 'null'], pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the registered version’s artifact.' },
    predictions: listField(
      'What was answered.',
      {
        type: 'object',
        properties: {
          id: { ...ID, description: 'The same prediction again has the same id, and counts once.' },
          time: MOMENT,
          unit: { type: ['string', 'null'] },
          inputs: { ...BY_NAME, description: 'Tensors by name; these, or `features`.' },
          features: { ...BY_NAME, description: 'Values by name, before they were made tensors.' },
          outputs: { ...BY_NAME, description: 'Tensors by name; these, or `error`.' },
          latencyMicros: { type: 'number', minimum: 0 },
          error: { type: ['object', 'null'], properties: { code: { type: 'string' }, message: { type: 'string' } } },
        },
        required: ['id', 'time', 'latencyMicros'],
      },
      { minItems: 1 },
    ),
  },
  {
    required: ['device', 'session', 'runner', 'sentAt', 'predictions'],
    open: true,
    examples: [
      {
        ...{ device: 'device-0001', session: 'session-0001', runner: 'node', sentAt: 1_769_860_800_000 },
        predictions: [
          { id: 'edge-prediction-1', time: 1_769_860_799_000, inputs: { x: [1, 2] }, outputs: { y: [0.5] }, latencyMicros: 310 },
        ],
      },
    ],
  },
);
