import { Option, type Command } from 'commander';
import type { MillraceClient } from './client.js';
import { EXIT } from './cli-error.js';
import {
  audit,
  card,
  check,
  decide,
  history,
  requestPromotion,
  requests,
  rollback,
  type AuditOptions,
  type CheckOptions,
  type TargetOptions,
} from './commands/models.js';
import { verifyModel, type VerifyModelOptions } from './commands/verify-model.js';
import type { Io } from './io.js';
import { addExport } from './export-commands.js';
import { addOptimize } from './optimize-commands.js';

/** `millrace models ...` and `millrace audit`. */
export function addModels(program: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  const models = program.command('models').description('promote, roll back and look at registered models');
  const output = (...formats: [string, ...string[]]): Option =>
    new Option('-o, --output <format>', 'how to show it').choices(formats).default(formats[0]);
  models
    .command('request')
    .description('ask for a version to be moved to a governed stage or alias')
    .argument('<name>', 'the registered model')
    .argument('<version>', 'its version')
    .option('--stage <stage>', 'the stage it is to go to')
    .option('--alias <alias>', 'the alias it is to get')
    .option('--reason <text>', 'why')
    .action((name: string, version: string, options: TargetOptions) => requestPromotion(client(), io, name, version, options));
  models
    .command('requests')
    .description('list promotion requests')
    .argument('[name]', 'of one registered model')
    .option('--status <status>', 'only those: open, promoted, rejected, withdrawn or expired')
    .addOption(output('table', 'json'))
    .action((name: string | undefined, options: { status?: string; output: string }) => requests(client(), io, name, options));
  models
    .command('approve')
    .description('agree to a promotion somebody else asked for')
    .argument('<name>', 'the registered model')
    .argument('<request>', 'the number of the request')
    .option('--comment <text>', 'what there is to say')
    .action((name: string, request: string, options: { comment?: string }) =>
      decide(client(), io, 'approve', name, request, options.comment),
    );
  models
    .command('reject')
    .description('close a request with a no')
    .argument('<name>', 'the registered model')
    .argument('<request>', 'the number of the request')
    .requiredOption('--reason <text>', 'why not')
    .action((name: string, request: string, options: { reason: string }) => decide(client(), io, 'reject', name, request, options.reason));
  models
    .command('withdraw')
    .description('take back a request of your own')
    .argument('<name>', 'the registered model')
    .argument('<request>', 'the number of the request')
    .option('--reason <text>', 'why')
    .action((name: string, request: string, options: { reason?: string }) =>
      decide(client(), io, 'withdraw', name, request, options.reason),
    );
  models
    .command('promote')
    .description('move the version of a request that has all it needs, where the policy leaves the moment to people')
    .argument('<name>', 'the registered model')
    .argument('<request>', 'the number of the request')
    .action((name: string, request: string) => decide(client(), io, 'promote', name, request, undefined));
  models
    .command('rollback')
    .description('go back to the version that was there before')
    .argument('<name>', 'the registered model')
    .option('--stage <stage>', 'of which stage (default: what was moved last)')
    .option('--alias <alias>', 'of which alias')
    .option('--to <version>', 'to an earlier one of those that were there')
    .option('--reason <text>', 'why')
    .action((name: string, options: TargetOptions & { to?: string }) => rollback(client(), io, name, options));
  models
    .command('check')
    .description('record a check of a version, or have the registry make its own again; exit code 1 when it failed')
    .argument('<name>', 'the registered model')
    .argument('<version>', 'its version')
    .option('--check <check>', 'its name, as the policy has it (default: validation, or golden with --golden)')
    .option('--passed', 'it passed')
    .option('--failed', 'it failed')
    .option('--detail <text>', 'what was found')
    .option(
      '--golden <file>',
      'compare the gateway’s answers with expected ones: {"inputs", "outputs"} of the Open Inference Protocol a line',
    )
    .option('--evaluate', 'let the registry make the checks again that it makes itself')
    .option('--tolerance <number>', 'how far a value may be from the expected one, in its own unit', '0')
    .action(async (name: string, version: string, options: CheckOptions) => {
      if (!(await check(client(), io, name, version, options))) finish(EXIT.found);
    });
  models
    .command('history')
    .description('show everything that was decided about a model, also under earlier names')
    .argument('<name>', 'the registered model')
    .addOption(output('table', 'json'))
    .action((name: string, options: { output: string }) => history(client(), io, name, options));
  models
    .command('card')
    .description('show the card of a version')
    .argument('<name>', 'the registered model')
    .argument('<version>', 'its version')
    .addOption(output('markdown', 'json'))
    .action((name: string, version: string, options: { output: string }) => card(client(), io, name, version, options));
  models
    .command('verify')
    .description('check here that a version’s files are those that were signed; exit code 1 when they are not')
    .argument('<name>', 'the registered model')
    .argument('<version>', 'its version')
    .option('--key <file>', 'the PEM of the public key you trust (default: the keys the server trusts)')
    .addOption(output('text', 'json'))
    .action(async (name: string, version: string, options: VerifyModelOptions) => {
      if (!(await verifyModel(client(), io, name, version, options))) finish(EXIT.found);
    });
  addOptimize(models, io, client, finish);
  addExport(models, io, client);
  program
    .command('audit')
    .description('export the decisions, one a line as JSON: who, what, when and why')
    .option('--model <name>', 'only about the registered models that have or had that name')
    .option('--subject <subject>', 'only about that subject, * at its end for anything')
    .option('--actor <actor>', 'only by that actor')
    .option('--key <id>', 'only with that API key, by its id (millrace keys list)')
    .option('--since <time>', 'from that time on, as RFC 3339 (default: the first)')
    .option('--until <time>', 'before that time (default: all)')
    .action((options: AuditOptions) => audit(client(), io, options));
}
