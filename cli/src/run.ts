import { CommanderError } from 'commander';
import { EXIT, isCliError } from './cli-error.js';
import type { Io } from './io.js';
import { createProgram } from './program.js';

/** Runs one command line and resolves with the exit code. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let exitCode = 0;
  const program = createProgram(io, (code) => (exitCode = code));
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride();
    command.configureOutput({ writeOut: io.out, writeErr: io.err });
  }
  // Commander reads the environment by itself; a test brings its own.
  const server = io.environment['MILLRACE_URL'];
  if (server !== undefined && server !== '') program.setOptionValueWithSource('server', server, 'env');
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
    if (io.interrupted.aborted) return 130;
    if (!isCliError(error)) throw error;
    io.err(`millrace: ${error.message}\n`);
    return error.exitCode;
  }
}
