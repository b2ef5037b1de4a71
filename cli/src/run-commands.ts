import { InvalidArgumentError, Option, type Command } from 'commander';
import { EXIT } from './cli-error.js';
import type { MillraceClient } from './client.js';
import { reproduce, type ReproduceOptions } from './commands/reproduce.js';
import { verifyRun } from './commands/verify-run.js';
import type { Io } from './io.js';

/** `millrace runs ...`. */
export function addRuns(program: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  const runs = program.command('runs').description('look at runs, and run them again');
  const output = (): Option => new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text');
  runs
    .command('reproduce')
    .description('show what it takes to run a run again: code, command, environment, params, data, and what is missing (then exit code 1)')
    .argument('<id>', 'the run')
    .option('--run', 'run it again on this machine, in a virtual environment of its own, and compare; exit code 1 when it is not the same')
    .option('--tolerance <number>', 'how far a metric may be from the original, relative to its size', relative, 0)
    .option(
      '--ignore <name>',
      'a param or metric not to compare, * for anything; repeatable',
      (value: string, before: string[]) => [...before, value],
      [],
    )
    .option('--workdir <folder>', 'where the code and the environment are put and kept (default: a temporary folder)')
    .option('--python <file>', 'an interpreter whose environment is used as it is, instead of installing what was logged')
    .addOption(output())
    .action(async (id: string, options: ReproduceOptions) => {
      if (!(await reproduce(client(), io, id, options))) finish(EXIT.found);
    });
  runs
    .command('verify')
    .description('check that the files of a run are those that were uploaded; exit code 1 when they are not')
    .argument('<id>', 'the run')
    .addOption(output())
    .action(async (id: string, options: { output: string }) => {
      if (!(await verifyRun(client(), io, id, options.output))) finish(EXIT.found);
    });
}

function relative(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError('It is a number from 0.');
  return value;
}
