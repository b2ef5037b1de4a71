import { Option, type Command } from 'commander';
import { EXIT } from './cli-error.js';
import type { MillraceClient } from './client.js';
import { featureStatistics, type FeatureStatisticsOptions } from './commands/feature-statistics.js';
import { cancelMaterialization, materializations, materialize, type MaterializeOptions } from './commands/materialize.js';
import { verifyFeatures, type VerifyFeaturesOptions } from './commands/verify-features.js';
import type { Io } from './io.js';

/** `millrace features ...`. */
export function addFeatures(program: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  const features = program.command('features').description('bring features up to date, and look at them');
  features
    .command('verify')
    .description(
      'recompute what was served from the offline store and compare, bit for bit: answers of the gateway, and reads of feature services with a readLog; exit code 1 when a value differs',
    )
    .option('--deployment <name>', 'only the gateway’s answers of this deployment')
    .option('--feature-service <name>', 'only vectors of this feature service')
    .option('--since <time>', 'answers from that time on, as RFC 3339 (default: all)')
    .option('--until <time>', 'answers before that time (default: now)')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['table', 'json']).default('table'))
    .action(async (options: VerifyFeaturesOptions) => {
      if (!(await verifyFeatures(client(), io, options))) finish(EXIT.found);
    });
  features
    .command('statistics')
    .description("show what a view's features are like over time: at the times of events, or as they were served")
    .argument('<view[:feature]>', 'a feature view, or one of its features; view@2 is a version of it')
    .option('--since <time>', 'from that time on, as RFC 3339 (default: all)')
    .option('--until <time>', 'before that time (default: all)')
    .option('--every <duration>', 'how long an interval is: whole hours, such as 1h, 6h, 1d', '1d')
    .addOption(
      new Option('--of <what>', 'values at the times of events, or what the gateway served')
        .choices(['events', 'served'])
        .default('events'),
    )
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['table', 'json']).default('table'))
    .action((reference: string, options: FeatureStatisticsOptions) => featureStatistics(client(), io, reference, options));
  features
    .command('materialize')
    .description('bring the rows of a source’s query, table or files to its features; exit code 1 when it fails or rejects rows')
    .argument('<name>', 'a source, or a feature view of it')
    .option('--from <time>', 'rows with event times from that on, as RFC 3339 (default: where the last one ended, less the lookback)')
    .option('--to <time>', 'rows with event times before that (default: now)')
    .option('--all', 'from the first row there is', false)
    .option('--wait', 'show how far it is, and end when it does', false)
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'))
    .action(async (name: string, options: MaterializeOptions) => {
      if (!(await materialize(client(), io, name, options))) finish(EXIT.found);
    });
  features
    .command('materializations')
    .description('list the materializations of a source, and how far it has come')
    .argument('<name>', 'a source, or a feature view of it')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['table', 'json']).default('table'))
    .action((name: string, options: { output: string }) => materializations(client(), io, name, options));
  features
    .command('cancel')
    .description('stop a materialization; what it has brought stays')
    .argument('<name>', 'its source, or a feature view of it')
    .argument('<id>', 'the materialization')
    .action((name: string, id: string) => cancelMaterialization(client(), io, name, id));
}
