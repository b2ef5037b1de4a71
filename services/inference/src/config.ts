import { defineConfig, duration, flag, integer, size, variable, type ValuesOf } from '@millrace/service';
import { z } from 'zod';

/** `https://app.example.com,http://localhost:3000`: scheme, host and port, as browsers say them. */
function origins(): z.ZodType<readonly string[]> {
  return z
    .string()
    .default('')
    .transform((text, context) => {
      const names = text.split(',').map((name) => name.trim());
      const given = names.filter((name) => name !== '');
      const wrong = given.find((name) => !/^https?:/.test(name) || URL.parse(name)?.origin !== name);
      if (wrong !== undefined)
        context.addIssue({ code: 'custom', message: `holds ${wrong}, which is no origin such as https://app.example.com` });
      return given;
    });
}

/** Variables of this service alone; those every process shares are the kit's. */
export const inferenceConfig = defineConfig('inference', {
  maxBatchRows: variable(
    'MILLRACE_INFERENCE_MAX_BATCH_ROWS',
    integer(1, 65_536, 256),
    'Rows of one model run at most; 1 switches batching off.',
  ),
  maxQueuedRows: variable(
    'MILLRACE_INFERENCE_MAX_QUEUED_ROWS',
    integer(1, 10_000_000, 8192),
    'Rows that may wait for one model; beyond it requests are refused with 429.',
  ),
  batchDelayMs: variable(
    'MILLRACE_INFERENCE_BATCH_DELAY',
    duration('0ms'),
    'How long a request waits for others when its model is idle. Requests that come while it is busy run together anyway.',
  ),
  runner: variable(
    'MILLRACE_INFERENCE_RUNNER',
    z.enum(['auto', 'in-loop', 'worker'], { error: () => 'is not one of auto, in-loop, worker' }).default('auto'),
    'Where models run: `in-loop` (the event loop), `worker` (threads), or `auto`: where the run time of each says, 0.5 ms being the limit.',
  ),
  workers: variable(
    'MILLRACE_INFERENCE_WORKERS',
    integer(1, 256).optional(),
    'Runs in worker threads at once, of all models together. Not set: one less than the cores this process may use, at least 1.',
  ),
  workersPerModel: variable(
    'MILLRACE_INFERENCE_WORKERS_PER_MODEL',
    integer(1, 64, 1),
    'Worker threads of one slow model; each holds the model in memory once more.',
  ),
  memoryBytes: variable(
    'MILLRACE_INFERENCE_MEMORY',
    size().optional(),
    'Memory of all loaded models at most (estimated); beyond it the longest unused is unloaded and loaded again when it is asked for. Not set: half of what the process may use.',
  ),
  timeoutMs: variable(
    'MILLRACE_INFERENCE_TIMEOUT',
    duration('10s', { least: '1ms' }),
    'A request is answered within so long, or refused with 504; a request may ask for less in its parameter `timeout` (microseconds).',
  ),
  loadWaitMs: variable(
    'MILLRACE_INFERENCE_LOAD_WAIT',
    duration('5s'),
    'How long a request for a version that is not loaded waits for it before it is answered 503.',
  ),
  maxOnDemand: variable(
    'MILLRACE_INFERENCE_MAX_ON_DEMAND',
    integer(1, 10_000, 16),
    'Versions kept loaded beside those that deployments name; the longest unused goes first.',
  ),
  maxModelBytes: variable(
    'MILLRACE_INFERENCE_MAX_MODEL',
    size('1GiB'),
    'A model artifact larger than this is not loaded, nor a graph larger than this once the weights in files beside it are in it.',
  ),
  maxBufferedPredictions: variable(
    'MILLRACE_INFERENCE_MAX_BUFFERED_PREDICTIONS',
    integer(1, 10_000_000, 20_000),
    'Prediction records that may wait for the log while it is away; what happens beyond it is MILLRACE_INFERENCE_LOG_FULL.',
  ),
  logFull: variable(
    'MILLRACE_INFERENCE_LOG_FULL',
    z.enum(['shed', 'refuse'], { error: () => 'is not one of shed, refuse' }).default('shed'),
    'What happens when the log has been away for so long that there is no room for another prediction record: `shed` it, count it and go on answering, or `refuse` requests with 503.',
  ),
  writesTables: variable(
    'MILLRACE_INFERENCE_TABLES',
    flag(true),
    'Whether this process writes the tables of predictions, labels and shadow answers. Replicas that only answer can leave it to others of the service; some process has to.',
  ),
  maxLoggedElements: variable(
    'MILLRACE_INFERENCE_MAX_LOGGED_ELEMENTS',
    integer(0, 10_000_000, 4096),
    'Tensor elements of a request kept in its record; the tensors of a larger request are left out of it.',
  ),
  edgeOrigins: variable(
    'MILLRACE_INFERENCE_EDGE_ORIGINS',
    origins(),
    'Origins, separated by commas, whose pages may upload what an exported model has answered, such as https://app.example.com. Not set: only pages of this server’s own address.',
  ),
  batchMaxRows: variable('MILLRACE_INFERENCE_BATCH_MAX_ROWS', integer(1, 1_000_000_000, 10_000_000), 'Rows of one batch job at most.'),
  batchMaxInputBytes: variable(
    'MILLRACE_INFERENCE_BATCH_MAX_INPUT',
    size('256MiB'),
    'Body of one request for a batch job at most: the rows it brings, as CSV or Parquet. It is held in memory.',
  ),
  batchChunkRows: variable(
    'MILLRACE_INFERENCE_BATCH_CHUNK',
    integer(1, 100_000, 10_240),
    'Rows of one chunk of a batch job, unless the job says another number: what a crash costs at most, and a decision on the log each.',
  ),
  batchJobs: variable('MILLRACE_INFERENCE_BATCH_JOBS', integer(1, 64, 1), 'Batch jobs that run in one process at once; the others wait.'),
  batchSilenceMs: variable(
    'MILLRACE_INFERENCE_BATCH_SILENCE',
    duration('2m', { least: '1ms' }),
    'A batch job of which nothing was heard for so long is taken up by another process.',
  ),
});

export type InferenceConfig = ValuesOf<(typeof inferenceConfig)['variables']>;
