import { Option, type Command } from 'commander';
import type { MillraceClient } from './client.js';
import { actOnRollout, explainRollout, getRollout, listRollouts, type RolloutAction } from './commands/rollouts.js';
import type { Io } from './io.js';

const ACTIONS: readonly (readonly [RolloutAction, string])[] = [
  ['promote', 'give the candidate all traffic'],
  ['pause', 'hold it where it is; a gate that fails still rolls it back'],
  ['resume', 'let it go on'],
  ['abort', 'take all traffic from the candidate, also after it was promoted'],
];

/** `millrace rollout ...`. */
export function addRollouts(program: Command, io: Io, client: () => MillraceClient): void {
  const rollout = program.command('rollout').description('look at rollouts, and decide for them; they are defined with apply');
  const output = (...formats: [string, ...string[]]): Option =>
    new Option('-o, --output <format>', 'how to show it').choices(formats).default(formats[0]);
  rollout
    .command('list')
    .description('list rollouts: where each stands, and why')
    .addOption(output('table', 'json'))
    .action((options: { output: string }) => listRollouts(client(), io, options));
  rollout
    .command('get')
    .description('show where one stands, with its gates as they are now')
    .argument('<name>', 'the rollout')
    .addOption(output('text', 'json'))
    .action((name: string, options: { output: string }) => getRollout(client(), io, name, options));
  rollout
    .command('explain')
    .description('show every decision there was, with the numbers it rested on')
    .argument('<name>', 'the rollout')
    .addOption(output('text', 'json'))
    .action((name: string, options: { output: string }) => explainRollout(client(), io, name, options));
  for (const [action, description] of ACTIONS) {
    rollout
      .command(action)
      .description(description)
      .argument('<name>', 'the rollout')
      .option('--reason <text>', 'why, for the log')
      .action((name: string, options: { reason?: string }) => actOnRollout(client(), io, name, action, options.reason));
  }
}
