import { Option, type Command } from 'commander';
import { EXIT } from './cli-error.js';
import type { MillraceClient } from './client.js';
import { verifyFeatures, type VerifyFeaturesOptions } from './commands/verify-features.js';
import type { Io } from './io.js';

/** `millrace features ...`. */
export function addFeatures(program: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  const features = program.command('features').description('look at features');
  features
    .command('verify')
    .description('recompute what the gateway served from the offline store and compare, bit for bit; exit code 1 when a value differs')
    .option('--deployment <name>', 'only the answers of this deployment')
    .option('--feature-service <name>', 'only vectors of this feature service')
    .option('--since <time>', 'answers from that time on, as RFC 3339 (default: all)')
    .option('--until <time>', 'answers before that time')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['table', 'json']).default('table'))
    .action(async (options: VerifyFeaturesOptions) => {
      if (!(await verifyFeatures(client(), io, options))) finish(EXIT.found);
    });
}
