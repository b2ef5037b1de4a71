import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CliError, EXIT } from '../cli-error.js';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';
import { compareRuns, type RunDifference } from '../reproduce/compare-runs.js';
import { checkPython } from '../reproduce/given-python.js';
import { environmentsOfModels } from '../reproduce/model-environments.js';
import { fileOfRun, filesOfRun, loggedRun, type LoggedRun } from '../reproduce/logged-run.js';
import { isRecipeFile, recipeOf, type Recipe } from '../reproduce/recipe.js';
import { rerun } from '../reproduce/rerun.js';

export interface ReproduceOptions {
  readonly run?: boolean;
  readonly tolerance: number;
  readonly ignore: readonly string[];
  readonly workdir?: string;
  readonly python?: string;
  readonly output: string;
}

/** Tells what it takes to run a run again; with `run`, does it and compares. False when something needed is missing or the second run is another. */
export async function reproduce(client: MillraceClient, io: Io, runId: string, options: ReproduceOptions): Promise<boolean> {
  if (options.python !== undefined) await checkPython(resolve(options.python));
  const original = await loggedRun(client, runId);
  const files = await filesOfRun(client, runId);
  const texts = new Map<string, string>();
  for (const path of files.filter(isRecipeFile)) texts.set(path, (await fileOfRun(client, runId, path)).toString('utf8'));
  for (const [path, text] of await environmentsOfModels(client, original.modelIds)) texts.set(path, text);
  const recipe = recipeOf(original, files, texts);
  const isComplete = recipe.missing.every(({ isNeeded, what }) => !isNeeded || (what === 'environment' && options.python !== undefined));
  if (!options.run) {
    if (options.output === 'json') io.out(`${JSON.stringify({ runId, ...recipe }, null, 2)}\n`);
    else tellRecipe(io, original, recipe);
    return isComplete;
  }
  if (!isComplete) {
    tellRecipe(io, original, recipe);
    io.err('it cannot be run again: what is needed is missing\n');
    return false;
  }
  const again = await inFolder(options.workdir, (folder) =>
    rerun(client, io, original, files, recipe, { folder, python: options.python === undefined ? undefined : resolve(options.python) }),
  );
  const differences = compareRuns(original, again, { tolerance: options.tolerance, ignored: options.ignore });
  if (options.output === 'json')
    io.out(`${JSON.stringify({ runId, reproducedBy: again.runId, reproduced: differences.length === 0, differences }, null, 2)}\n`);
  else tellDifferences(io, original, again, differences, options.tolerance);
  return differences.length === 0;
}

/** A folder that is given is kept; one of its own is removed, also when something went wrong in it. */
async function inFolder<T>(given: string | undefined, use: (folder: string) => Promise<T>): Promise<T> {
  if (given !== undefined) {
    const folder = resolve(given);
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw new CliError(`--workdir ${given} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, {
        cause,
      });
    });
    return use(folder);
  }
  const folder = await mkdtemp(join(tmpdir(), 'millrace-reproduce-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tellRecipe(
  io: Io,
  run: LoggedRun,
  { code, command, commandFrom, params, environment, environmentFiles, datasets, missing }: Recipe,
): void {
  const lines: [string, string][] = [
    ['run', `${run.runId} ${run.name} (${run.status})`],
    [
      'code',
      code.folder === null
        ? (code.repository ?? 'not logged')
        : `logged in ${code.folder === '' ? 'the root of its artifacts' : code.folder}`,
    ],
    ['commit', [code.commit, code.branch, code.repository].filter((one) => one !== null).join(' ') || 'not recorded'],
    ['source', [code.source, code.type].filter((one) => one !== null).join(' ') || 'not recorded'],
    ['command', command === null ? 'not known' : `${command}   (${commandFrom})`],
    [
      'environment',
      environment === null ? 'not logged' : `${environment.file}${environment.python === null ? '' : `, Python ${environment.python}`}`,
    ],
  ];
  for (const path of environmentFiles.filter((one) => one !== environment?.file)) lines.push(['', `also ${path}`]);
  for (const requirement of environment?.requirements ?? []) lines.push(['', requirement]);
  for (const [name, value] of Object.entries(params)) lines.push(['param', `${name}=${value}`]);
  for (const { name, digest, context, source, sourceType } of datasets) {
    lines.push(['dataset', `${name}@${digest}${context === null ? '' : ` for ${context}`}, ${sourceType} ${source}`]);
  }
  for (const { message, isNeeded } of missing) lines.push([isNeeded ? 'MISSING' : 'gap', message]);
  for (const [what, said] of lines) io.out(`${what.padEnd(12)} ${said}\n`);
}

function tellDifferences(io: Io, original: LoggedRun, again: LoggedRun, differences: readonly RunDifference[], tolerance: number): void {
  const within = tolerance === 0 ? '' : ` within ${tolerance}`;
  const what = `${original.params.size} params, ${original.metrics.size} metrics and ${original.datasets.length} datasets`;
  if (differences.length === 0) {
    io.out(`run ${again.runId} reproduces ${original.runId}: ${what} are the same${within}\n`);
    return;
  }
  io.out(`run ${again.runId} does not reproduce ${original.runId}: of ${what}, ${differences.length} differ${within}\n`);
  io.out(
    table(
      ['WHAT', 'NAME', 'ORIGINAL', 'AGAIN'],
      differences.map((one) => [one.kind, one.name, one.original ?? '-', one.again ?? '-']),
    ),
  );
}
