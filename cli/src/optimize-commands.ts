import { Option, type Command } from 'commander';
import type { MillraceClient } from './client.js';
import { EXIT } from './cli-error.js';
import { modelRows, type ModelRowsOptions } from './commands/model-rows.js';
import { optimizeVersion, type OptimizeModelOptions } from './commands/optimize-model.js';
import type { Io } from './io.js';

/** `millrace models optimize` and `millrace models rows`. */
export function addOptimize(models: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  models
    .command('optimize')
    .description(
      'make a smaller or faster version of a model, measured on what it was asked; exit code 1 and no new version when the gate refuses',
    )
    .argument('<model>', 'name, name@version or name@alias (default: the newest version)')
    .option('--clean', 'take away what has no part in the answer')
    .option('--prune <share>', 'keep that share of the hidden units of a multi-layer perceptron, such as 0.5')
    .option(
      '--dynamic-int8',
      'compute with 8-bit integers: MatMul and Gemm with constant weights; rows of one request share a scale, so an answer may depend on the rows beside it',
    )
    .option(
      '--per-channel',
      'with --dynamic-int8: a scale for each output instead of one for the matrix; on processors without VNNI it may be slower and less accurate than plain int8',
    )
    .option('--reduce-range', 'with --dynamic-int8: 7 bits, for processors without 8-bit dot products')
    .addOption(
      new Option('--weights <type>', 'keep weights in fewer bits and compute in floats: smaller, not faster').choices(['int8', 'fp16']),
    )
    .option('--min-elements <n>', 'leave smaller matrices as they are (default: 1024)')
    .option('--candidate <file>', 'an ONNX file that was made elsewhere of that version, instead')
    .option('--method <text>', 'with --candidate: how it was made, such as static-qdq')
    .option('--run <id>', 'with --candidate: the run that made it')
    .option('--rows <file>', 'measure with these rows, as models rows writes them (default: the newest of the prediction log)')
    .option('--random-rows <n>', 'measure with so many made-up rows instead')
    .option('--most <n>', 'rows to measure with at most', '1000')
    .option('--label <name>', 'which label is the truth about a prediction', 'label')
    .option('--min-rows <n>', 'gate: rows the answers are compared on at least (default: 100)')
    .option('--min-agreement <share>', 'gate: rows with the same label at least (default: 0.99)')
    .option(
      '--max-relative-error <share>',
      'gate, of models without labels: mean error by the deviation of the outputs at most (default: 0.05)',
    )
    .option(
      '--max-accuracy-loss <share>',
      'gate, of rows with a label: fall of the accuracy, or growth of the mean error, at most (default: 0.01)',
    )
    .option('--max-error <number>', 'gate: error of any one value at most (default: any)')
    .option('--max-size-ratio <ratio>', 'gate: size by the parent’s at most (default: 1)')
    .option(
      '--max-latency-ratio <ratio>',
      'gate: time of 32 rows by the parent’s at most (default: 1 of --dynamic-int8 and --prune, else 1.1)',
    )
    .option('--dry-run', 'only measure')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'))
    .action(async (model: string, options: OptimizeModelOptions) => {
      if (!(await optimizeVersion(client(), io, model, options))) finish(EXIT.found);
    });
  models
    .command('rows')
    .description('write the newest rows a model has answered, with its answers and labels, one a line as JSON')
    .argument('<name>', 'the registered model')
    .option('--most <n>', 'at most that many rows', '1000')
    .option('--label <name>', 'which label is the truth about a prediction', 'label')
    .option('--to <file>', 'into a file (default: standard output)')
    .action((name: string, options: ModelRowsOptions) => modelRows(client(), io, name, options));
}
