import { Option, type Command } from 'commander';
import { EXIT } from './cli-error.js';
import type { MillraceClient } from './client.js';
import { getStream, listStreams } from './commands/streams.js';
import type { Io } from './io.js';

/** `millrace stream ...`. */
export function addStreams(program: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  const stream = program.command('stream').description('look at streaming inference; it is defined, suspended and resumed with apply');
  const output = (...formats: [string, ...string[]]): Option =>
    new Option('-o, --output <format>', 'how to show it').choices(formats).default(formats[0]);
  stream
    .command('list')
    .description('list streams: where each stands, how far behind it is, and why')
    .addOption(output('table', 'json'))
    .action((options: { output: string }) => listStreams(client(), io, options));
  stream
    .command('get')
    .description('show one, partition by partition; exit code 1 when it does not get on')
    .argument('<name>', 'the stream')
    .addOption(output('text', 'json'))
    .action(async (name: string, options: { output: string }) => {
      if (!(await getStream(client(), io, name, options))) finish(EXIT.found);
    });
}
