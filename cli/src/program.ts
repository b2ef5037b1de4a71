import { Command, InvalidArgumentError, Option } from 'commander';
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { MillraceClient, type ClientOptions } from './client.js';
import { EXIT } from './cli-error.js';
import { apply, diff } from './commands/apply.js';
import { gc, type GcOptions } from './commands/gc.js';
import { download, upload } from './commands/artifacts.js';
import { deadLetters, tail, topics, type TailOptions } from './commands/events.js';
import { importMlflow, type ImportMlflowOptions } from './commands/import-mlflow.js';
import { createKey, listKeys, revokeKey, type CreateKeyOptions } from './commands/keys.js';
import { describe, get, remove, type GetOptions } from './commands/get.js';
import { status } from './commands/status.js';
import { addBatch } from './batch-commands.js';
import { addExamples } from './examples.js';
import { addFeatures } from './feature-commands.js';
import type { Io } from './io.js';
import { addModels } from './model-commands.js';
import { addRollouts } from './rollout-commands.js';
import { addRuns } from './run-commands.js';
import { addStreams } from './stream-commands.js';

const KINDS =
  'Source, Entity, FeatureView, FeatureService, Experiment, Deployment, Rollout, StreamingInference or Policy, in any case, also in the plural';

interface GlobalOptions {
  readonly server: string;
  readonly timeout: number;
  readonly as: string;
}

/** The command with everything it can do. `finish` takes the exit code of a command that ends well but has something to say. */
export function createProgram(io: Io, finish: (exitCode: number) => void = () => undefined): Command {
  const program = new Command('millrace');
  program
    .description('Define, look at and follow what a Millrace does.')
    .addOption(new Option('--server <url>', 'where Millrace answers').default('http://127.0.0.1:8080').env('MILLRACE_URL'))
    .option('--timeout <seconds>', 'how long an answer may take, at most 3600', seconds, 30)
    .option('--as <actor>', 'who acts, as the log will name it, where the server asks for no key (default: who runs the command)')
    .showHelpAfterError('(see millrace --help)')
    .helpCommand(false)
    .addHelpText(
      'after',
      `\nExit codes: 0 done, 1 diff found a difference, status a process that is not ready,\na check or a verification failed, a stream does not get on, an optimized model was refused, an import found something amiss, 2 wrong usage,\n3 the server cannot be reached, 4 the server refused.
Where the server asks for a key, put it in MILLRACE_API_KEY.`,
    );
  const connection = (): ClientOptions => {
    const { server, timeout, as } = program.opts<GlobalOptions>();
    const apiKey = io.environment['MILLRACE_API_KEY'] || undefined;
    const { interrupted } = io;
    return { server, timeoutMs: timeout * 1000, actor: as ?? userInfo().username, apiKey, interrupted };
  };
  const client = (): MillraceClient => new MillraceClient(connection());
  addResources(program, io, client, finish);
  addEvents(program, io, client);
  addKeys(program, io, client);
  addImports(program, io, connection, finish);
  addGc(program, io, client);
  addModels(program, io, client, finish);
  addFeatures(program, io, client, finish);
  addRollouts(program, io, client);
  addBatch(program, io, client, finish);
  addStreams(program, io, client, finish);
  addArtifacts(program, io, client);
  addRuns(program, io, client, finish);
  program
    .command('status')
    .description('show whether a process is ready, what is on its log, and what was put aside')
    .addOption(output('table', 'json'))
    .action(async (options: { output: string }) => {
      if (!(await status(client(), io, options.output))) finish(EXIT.found);
    });
  addHelp(program);
  addExamples(program);
  return program;
}

/** Commander's own help command shows the first of several words: `help models request` would show what `help models` does. */
function addHelp(program: Command): void {
  program
    .command('help')
    .argument('[command...]', 'its name, such as models request')
    .description('show help for a command')
    .action((path: readonly string[]) => {
      let shown = program;
      for (const name of path) {
        const next = shown.commands.find((one) => one.name() === name);
        if (!next) program.error(`error: unknown command '${path.join(' ')}'`);
        shown = next;
      }
      shown.outputHelp();
    });
}

function addGc(program: Command, io: Io, client: () => MillraceClient): void {
  program
    .command('gc')
    .description(
      'make the deletion of runs and experiments final: they, their artifacts and the experiments’ names are given up; a run whose files a registered version needs stays',
    )
    .option('--older-than <duration>', 'only what was deleted longer ago, such as 30d or 1d12h (default: whatever is deleted)')
    .option('--run-ids <ids>', 'only these deleted runs, separated by commas')
    .option('--experiment-ids <ids>', 'only these deleted experiments with their runs, separated by commas')
    .option('--dry-run', 'only tell what would go')
    .addOption(output('text', 'json'))
    .action((options: GcOptions) => gc(client(), io, options));
}

function addResources(program: Command, io: Io, client: () => MillraceClient, finish: (exitCode: number) => void): void {
  const files = (): Option =>
    new Option('-f, --file <path...>', 'a file, a folder, or - for standard input; YAML or JSON, several documents').makeOptionMandatory();
  program
    .command('apply')
    .description('define resources, or change what they are; the same text again changes nothing')
    .addOption(files())
    .addOption(output('text', 'json'))
    .action((options: { file: string[]; output: string }) => apply(client(), io, options.file, options.output));
  program
    .command('diff')
    .description('show what apply would change; exit code 1 when it would change anything')
    .addOption(files())
    .action(async (options: { file: string[] }) => {
      if (await diff(client(), io, options.file)) finish(EXIT.found);
    });
  program
    .command('get')
    .description('show resources')
    .argument('<kind>', `${KINDS}; all for every kind`)
    .argument('[name]', 'one of them')
    .option('--version <n>', 'an earlier version (default: the newest)')
    .addOption(output('table', 'json', 'yaml'))
    .action((kind: string, name: string | undefined, options: GetOptions) => get(client(), io, kind, name, options));
  program
    .command('describe')
    .description('show everything about one resource, with the versions it has had')
    .argument('<kind>', KINDS)
    .argument('<name>', 'its name')
    .action((kind: string, name: string) => describe(client(), io, kind, name));
  program
    .command('delete')
    .description('delete one resource; its versions stay readable')
    .argument('<kind>', KINDS)
    .argument('<name>', 'its name')
    .action((kind: string, name: string) => remove(client(), io, kind, name, randomUUID()));
}

function addEvents(program: Command, io: Io, client: () => MillraceClient): void {
  const events = program.command('events').description('look at the log');
  events
    .command('topics')
    .description('list the topics')
    .addOption(output('table', 'json'))
    .action((options: { output: string }) => topics(client(), io, options.output));
  events
    .command('tail')
    .description('show the records of a topic, by time')
    .argument('<topic>', 'its name; events topics lists them')
    .option(
      '--from <place>',
      'where to begin in each partition: beginning, end, an offset, or -N for the last N (default: end with --follow, else -10)',
    )
    .option('-F, --follow', 'go on as records come, until interrupted', false)
    .option(
      '--filter <field=value>',
      'only records whose field is that, * for anything: subject=run/*, data.kind=Source; repeatable',
      collect,
      [],
    )
    .option('--partition <n>', 'only that partition, counted from 0 (default: all)')
    .option('--limit <n>', 'stop after that many records (default: all there are)')
    .addOption(output('text', 'json'))
    .action((topic: string, options: TailOptions) => tail(client(), io, topic, options));
  events
    .command('dead-letters')
    .description('show the records of a topic that could not be taken, and why')
    .argument('<topic>', 'its name; events topics lists them')
    .addOption(output('text', 'json'))
    .action((topic: string, options: { output: string }) => deadLetters(client(), io, topic, options.output));
}

function addKeys(program: Command, io: Io, client: () => MillraceClient): void {
  const keys = program.command('keys').description('give out and revoke API keys');
  keys
    .command('create')
    .description('create a key and show it; it is shown this once')
    .argument('<name>', 'what people call it')
    .addOption(
      new Option('--role <role>', 'what it may do; each may do what those before it may')
        .choices(['viewer', 'editor', 'approver', 'admin'])
        .makeOptionMandatory(),
    )
    .option('--expires <span>', 'how long it is good: 12h, 90d (default: until it is revoked)')
    .option('--actor <actor>', 'whom the log names for what is done with it (default: its name)')
    .option('--workspace <name>', "where the role holds, * for everywhere (default: the server's workspace)")
    .addOption(output('text', 'json'))
    .action((name: string, options: CreateKeyOptions) => createKey(client(), io, name, options));
  keys
    .command('list')
    .description('list the keys; not the secrets, which nobody has')
    .addOption(output('table', 'json'))
    .action((options: { output: string }) => listKeys(client(), io, options.output));
  keys
    .command('revoke')
    .description('revoke a key: it opens nothing any more')
    .argument('<key>', 'its id or name')
    .option('--reason <text>', 'why, for the log')
    .action((key: string, options: { reason?: string }) => revokeKey(client(), io, key, options.reason));
}

function addImports(program: Command, io: Io, connection: () => ClientOptions, finish: (exitCode: number) => void): void {
  program
    .command('import')
    .description('bring what another platform holds')
    .command('mlflow')
    .description(
      'bring experiments, runs, histories, artifacts, models, versions and aliases of an MLflow server; the same again brings only what is new',
    )
    .requiredOption('--from <url>', 'address of the server; MLFLOW_TRACKING_USERNAME, _PASSWORD and _TOKEN hold its credentials')
    .option('--experiment <name>', 'only that experiment; repeatable', collect, [])
    .option('--origin <name>', 'what the server is called here, when its address changes between two imports (default: the address)')
    .option('--no-artifacts', 'leave the files')
    .option('--no-models', 'leave the registered models')
    .addOption(output('text', 'json'))
    .action(async (options: ImportMlflowOptions) => {
      if (!(await importMlflow(connection(), io, options))) finish(EXIT.found);
    });
}

function addArtifacts(program: Command, io: Io, client: () => MillraceClient): void {
  const artifacts = program.command('artifacts').description("send and fetch a run's files, with their progress");
  artifacts
    .command('upload')
    .description('send a file, or a folder with all in it')
    .argument('<run>', 'the id of the run')
    .argument('<file>', 'the file or folder')
    .option('--to <path>', "a folder among the run's artifacts (default: beside the others, at the top)")
    .action((run: string, file: string, options: { to?: string }) => upload(client(), io, run, file, options.to));
  artifacts
    .command('download')
    .description("fetch a run's files")
    .argument('<run>', 'the id of the run')
    .argument('[path]', 'one file or folder of them (default: all)', '')
    .option('--to <folder>', 'where to put them', '.')
    .action((run: string, path: string, options: { to: string }) => download(client(), io, run, path, options.to));
}

function output(...formats: [string, ...string[]]): Option {
  return new Option('-o, --output <format>', 'how to show it').choices(formats).default(formats[0]);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 3600)) throw new InvalidArgumentError('It is a number of seconds up to 3600.');
  return value;
}
