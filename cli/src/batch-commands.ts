import { InvalidArgumentError, Option, type Command } from 'commander';
import { EXIT } from './cli-error.js';
import type { MillraceClient } from './client.js';
import {
  cancelBatch,
  deleteBatchOutput,
  getBatch,
  listBatch,
  runBatch,
  type BatchGetOptions,
  type BatchRunOptions,
} from './commands/batch.js';
import type { Io } from './io.js';

/** `millrace batch ...`. */
export function addBatch(program: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  const batch = program.command('batch').description('score whole tables and files with a model');
  const output = (...formats: [string, ...string[]]): Option =>
    new Option('-o, --output <format>', 'how to show it').choices(formats).default(formats[0]);
  batch
    .command('run')
    .description('score rows; the same again is the same job; exit code 1 when it fails or some rows do')
    .option('--model <reference>', 'the model: models:/name@alias or models:/name/1')
    .option('--deployment <name>', 'or a deployment, for its model and its feature service')
    .option('--query <sql>', 'the rows: a SELECT over the offline store')
    .option('--file <path>', 'or a .parquet or .csv file')
    .option('--training-set <id>', 'or a training set')
    .option(
      '--features <columns>',
      'the columns of the model’s one input, in order, separated by commas (default: those the model names)',
      names,
    )
    .option('--feature-service <name>', 'read features online by the keys among the columns')
    .option('--event-time <time>', 'features as of then, as RFC 3339 (default: now)')
    .option('--outputs <names>', 'only these outputs of the model, separated by commas', names)
    .option('--prefix <text>', 'put before the names of the outputs')
    .option('--keep <columns>', 'only these columns of the input in the output, separated by commas', names)
    .addOption(
      new Option('--on-row-error <what>', 'a row that fails: tell in a column, or fail').choices(['column', 'fail']).default('column'),
    )
    .addOption(new Option('--log <rows>', 'rows recorded as predictions').choices(['none', 'sampled', 'all']).default('none'))
    .option('--sample-rate <share>', 'share of the rows that --log sampled records (default: 0.01)', Number)
    .option('--chunk-rows <rows>', 'rows of a chunk (default: what the server is set to, MILLRACE_INFERENCE_BATCH_CHUNK)', Number)
    .option('--table', 'put the output into a table as well', false)
    .option('--wait', 'show how far it is, and end when it does', false)
    .option('--to <file>', 'wait, and write the output there, as Parquet')
    .addOption(output('text', 'json'))
    .action(async (options: BatchRunOptions) => {
      if (!(await runBatch(client(), io, options))) finish(EXIT.found);
    });
  batch
    .command('list')
    .description('list batch jobs, the newest first')
    .addOption(new Option('--status <status>', 'only those').choices(['running', 'completed', 'failed', 'cancelled']))
    .option('--model <name>', 'only those of one registered model')
    .option('--limit <number>', 'so many at most', count, 50)
    .addOption(output('table', 'json'))
    .action((options: { status?: string; model?: string; limit: number; output: string }) => listBatch(client(), io, options));
  batch
    .command('get')
    .description('show a batch job; exit code 1 when it failed or some rows did')
    .argument('<id>', 'the job')
    .option('--wait', 'show how far it is, and end when it does', false)
    .option('--to <file>', 'wait, and write the output there, as Parquet')
    .addOption(output('text', 'json'))
    .action(async (id: string, options: BatchGetOptions) => {
      if (!(await getBatch(client(), io, id, options))) finish(EXIT.found);
    });
  batch
    .command('cancel')
    .description('stop a batch job')
    .argument('<id>', 'the job')
    .action((id: string) => cancelBatch(client(), io, id));
  batch
    .command('delete-output')
    .description('delete the output of a completed batch job; the job stays, and is computed anew when it is asked for again')
    .argument('<id>', 'the job')
    .action((id: string) => deleteBatchOutput(client(), io, id));
}

function names(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It is a whole number from 1.');
  return value;
}
