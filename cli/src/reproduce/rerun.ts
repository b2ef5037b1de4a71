import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join, sep } from 'node:path';
import { CliError, EXIT } from '../cli-error.js';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { givenPython } from './given-python.js';
import { createRun, endRun, fileOfRun, loggedRun, type LoggedRun } from './logged-run.js';
import type { Recipe } from './recipe.js';

export interface RerunOptions {
  readonly folder: string;
  /** An interpreter whose environment is taken as it is, instead of a new one. */
  readonly python: string | undefined;
}

/** Fetches the code, makes the environment, runs the command into a run of its own, and returns that run. */
export async function rerun(
  client: MillraceClient,
  io: Io,
  original: LoggedRun,
  files: readonly string[],
  recipe: Recipe,
  options: RerunOptions,
): Promise<LoggedRun> {
  const code = join(options.folder, 'code');
  await fetchCode(client, io, original, files, recipe, code);
  const { python, folder } = options;
  const bins = await (python === undefined ? makeEnvironment(io, recipe, folder) : givenPython(python, folder));
  const startTime = Date.now();
  const tags = { 'millrace.reproduces': original.runId, 'mlflow.source.name': recipe.command ?? '', 'mlflow.source.type': 'JOB' };
  const runId = await createRun(client, original, tags, startTime);
  io.err(`run ${runId}: ${recipe.command}\n`);
  const apiKey = io.environment['MILLRACE_API_KEY'];
  const environment = {
    PATH: [...bins, io.environment['PATH'] ?? ''].join(delimiter),
    MLFLOW_TRACKING_URI: client.server,
    MLFLOW_EXPERIMENT_ID: original.experimentId,
    MLFLOW_RUN_ID: runId,
    ...(apiKey ? { MLFLOW_TRACKING_TOKEN: apiKey } : {}),
  };
  const exitCode = await run(io, 'sh', ['-c', recipe.command as string], code, environment);
  const ended = await loggedRun(client, runId);
  if (exitCode !== 0) {
    await endRun(client, runId, io.interrupted.aborted ? 'KILLED' : 'FAILED', Date.now());
    throw new CliError(`the command ended with ${exitCode}; its output is above, what it logged is in run ${runId}`, EXIT.found);
  }
  if (ended.params.size + ended.metrics.size === 0 && original.params.size + original.metrics.size > 0) {
    await endRun(client, runId, 'FAILED', Date.now());
    const mend = 'it has to log into mlflow.start_run() without a run id, so that the run given in MLFLOW_RUN_ID is taken';
    throw new CliError(`the command logged nothing into run ${runId}: ${mend}`, EXIT.found);
  }
  if (ended.status === 'RUNNING') await endRun(client, runId, 'FINISHED', Date.now());
  return loggedRun(client, runId);
}

async function fetchCode(
  client: MillraceClient,
  io: Io,
  original: LoggedRun,
  files: readonly string[],
  recipe: Recipe,
  target: string,
): Promise<void> {
  const { folder, repository, commit } = recipe.code;
  if (folder === null) {
    if (!isRepository(repository) || !/^[0-9a-f]{7,64}$/.test(commit ?? '')) {
      throw new CliError(`the run names the repository ${repository} at ${commit}, which is no address and commit of git`, EXIT.found);
    }
    io.err(`code: ${repository} at ${commit}\n`);
    await must(io, 'git', ['clone', '--quiet', '--', repository, target], dirname(target));
    await must(io, 'git', ['-c', 'advice.detachedHead=false', 'checkout', '--quiet', commit as string], target);
    return;
  }
  const below = folder === '' ? '' : `${folder}/`;
  const wanted = files.filter((path) => path.startsWith(below));
  io.err(`code: ${wanted.length} logged file${wanted.length === 1 ? '' : 's'} of ${folder === '' ? 'the run' : folder}\n`);
  for (const path of wanted) {
    const file = join(target, path.slice(below.length));
    if (!file.startsWith(`${target}${sep}`))
      throw new CliError(`the server names a file ${path}, which would lie outside ${target}`, EXIT.refused);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, await fileOfRun(client, original.runId, path));
  }
}

/** The tag is the run's: whoever wrote it may not make git run something. */
function isRepository(text: string | null): text is string {
  return text !== null && (/^(https?|ssh|git|file):\/\//.test(text) || /^[\w.-]+@[\w.-]+:/.test(text) || text.startsWith('/'));
}

/** A new virtual environment with the run's requirements; returns the folders of its programs. */
async function makeEnvironment(io: Io, { environment }: Recipe, folder: string): Promise<string[]> {
  const { python, requirements, file } = environment as NonNullable<Recipe['environment']>;
  const interpreter = await findPython(io, python);
  io.err(`environment: ${file}, ${requirements.length} requirements, ${interpreter.program} (${interpreter.version})\n`);
  if (python !== null && interpreter.version !== python) {
    io.err(`  the run was made with Python ${python}; differences may come from there\n`);
  }
  const venv = join(folder, 'venv');
  await must(io, interpreter.program, ['-m', 'venv', venv], folder);
  const list = join(folder, 'requirements.txt');
  await writeFile(list, `${requirements.join('\n')}\n`);
  await must(
    io,
    join(venv, 'bin', 'python'),
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '-r', list],
    folder,
  );
  return [join(venv, 'bin')];
}

/** The interpreter nearest to the version that was recorded: `python3.11` for 3.11.7, else `python3`. */
async function findPython(io: Io, wanted: string | null): Promise<{ program: string; version: string }> {
  const [major, minor] = (wanted ?? '').split('.');
  const programs = [...(minor === undefined ? [] : [`python${major}.${minor}`]), 'python3', 'python'];
  for (const program of programs) {
    const version = /Python ([\d.]+)/.exec(await output(io, program, ['--version']))?.[1];
    if (version !== undefined) return { program, version };
  }
  throw new CliError(`no Python is installed here (looked for ${programs.join(', ')}); install one, or name one with --python`, EXIT.usage);
}

async function must(io: Io, program: string, args: readonly string[], cwd: string): Promise<void> {
  const code = await run(io, program, args, cwd, {});
  if (code !== 0) throw new CliError(`${program} ${args.join(' ')} ended with ${code}; its output is above`, EXIT.found);
}

/** What the program says goes to the error stream: the report is what the command prints. */
function run(
  io: Io,
  program: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>>,
): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...io.environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: io.interrupted,
    });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => io.err(text));
    child.on('error', (cause) => {
      if (io.interrupted.aborted) resolve('SIGINT');
      else reject(new CliError(`${program} cannot be started: ${cause.message}`, EXIT.usage, { cause }));
    });
    child.on('close', (code, signal) => resolve(code ?? signal ?? 1));
  });
}

function output(io: Io, program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const child = spawn(program, args, { env: { ...io.environment }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.on('error', () => resolve(''));
    child.on('close', (code) => resolve(code === 0 ? text : ''));
  });
}
