import { Option, type Command } from 'commander';
import type { MillraceClient } from './client.js';
import { exportModel, type ExportModelOptions } from './commands/export-model.js';
import type { Io } from './io.js';

/** `millrace models export`. */
export function addExport(models: Command, io: Io, client: () => MillraceClient): void {
  models
    .command('export')
    .description('write a folder in which a model runs away from the platform, and sends what it has answered later')
    .argument('<model>', 'name, name@version or name@alias (default: the newest version)')
    .addOption(new Option('--target <target>', 'where it is to run').choices(['web', 'node']).makeOptionMandatory())
    .requiredOption('--to <folder>', 'the folder to write')
    .option('--force', 'in the place of an export that is there; what waits in its queue comes along')
    .option('--platform <url>', 'where predictions are sent; same-origin: the address of the page; none: nowhere (default: --server)')
    .option('--deployment <name>', 'the Deployment predictions are recorded under')
    .option('--queue-limit <n>', 'predictions that may wait; beyond it the oldest are given up', '10000')
    .addOption(new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'))
    .action((model: string, options: ExportModelOptions) => exportModel(client(), io, model, options));
}
