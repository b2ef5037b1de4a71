import { parse } from 'yaml';
import { environmentOf, folderOf, isEnvironmentFile, unpinned, type Environment } from './environment.js';
import type { LoggedDataset, LoggedRun } from './logged-run.js';

/** What it takes to run a run again, as far as it was logged. */
export interface Recipe {
  readonly code: {
    /** What was started: a file or a notebook. */
    readonly source: string | null;
    readonly type: string | null;
    readonly commit: string | null;
    readonly repository: string | null;
    readonly branch: string | null;
    /** Folder of the run's artifacts that holds the code; `''` is their root. */
    readonly folder: string | null;
  };
  readonly command: string | null;
  /** Where the command comes from. */
  readonly commandFrom: string | null;
  readonly params: Readonly<Record<string, string>>;
  readonly environment: Environment | null;
  readonly environmentFiles: readonly string[];
  readonly datasets: readonly LoggedDataset[];
  readonly missing: readonly Gap[];
}

export interface Gap {
  readonly what: 'code' | 'entry point' | 'environment' | 'data';
  readonly message: string;
  /** Without it the run cannot be run again from here. */
  readonly isNeeded: boolean;
}

/** The command line a run was started with, as a tag: the way to say what cannot be guessed. */
export const ENTRY_POINT_TAG = 'millrace.entryPoint';

/** Files of a run that have to be read before {@link recipeOf}. */
export function isRecipeFile(path: string): boolean {
  return isEnvironmentFile(path) || path === 'MLproject' || path.endsWith('/MLproject');
}

/** Puts together what a run says of itself. `texts` are the contents of its {@link isRecipeFile} files. */
export function recipeOf(run: LoggedRun, files: readonly string[], texts: ReadonlyMap<string, string>): Recipe {
  const tag = (key: string): string | null => run.tags.get(key) || null;
  const [source, commit] = [tag('mlflow.source.name'), tag('mlflow.source.git.commit')];
  const repository = tag('mlflow.source.git.repoURL') ?? tag('mlflow.gitRepoURL');
  const entry = entryOf(run, files, texts, source);
  const environments = new Map([...texts].filter(([path]) => isEnvironmentFile(path)));
  const environment = environmentOf(environments, entry.folder);
  const recipe = {
    code: {
      source,
      type: tag('mlflow.source.type'),
      commit,
      repository,
      branch: tag('mlflow.source.git.branch') ?? tag('mlflow.gitBranchName'),
      folder: entry.folder,
    },
    command: entry.command,
    commandFrom: entry.from,
    params: Object.fromEntries(run.params),
    environment,
    environmentFiles: [...environments.keys()],
    datasets: run.datasets,
  };
  return { ...recipe, missing: gapsOf(recipe, entry.hasArguments) };
}

interface Entry {
  readonly command: string | null;
  readonly from: string | null;
  readonly folder: string | null;
  readonly hasArguments: boolean;
}

function entryOf(run: LoggedRun, files: readonly string[], texts: ReadonlyMap<string, string>, source: string | null): Entry {
  const said = run.tags.get(ENTRY_POINT_TAG);
  if (said)
    return { command: filled(said, run.params), from: `tag ${ENTRY_POINT_TAG}`, folder: folderOfCommand(said, files), hasArguments: true };
  const project = [...texts.keys()].filter((path) => /(^|\/)MLproject$/.test(path)).sort((a, b) => a.length - b.length)[0];
  if (project !== undefined) {
    const point = run.tags.get('mlflow.project.entryPoint') || 'main';
    const command = commandOfProject(texts.get(project) as string, point, run.params);
    if (command !== null) return { command, from: `${project}, entry point ${point}`, folder: folderOf(project), hasArguments: true };
  }
  const name = source?.split(/[/\\]/).at(-1) ?? '';
  const script = /\.py$/.test(name)
    ? files.filter((path) => path === name || path.endsWith(`/${name}`)).sort((a, b) => a.length - b.length)[0]
    : undefined;
  if (script !== undefined)
    return { command: `python ${quoted(name)}`, from: `the logged file ${script}`, folder: folderOf(script), hasArguments: false };
  return { command: null, from: null, folder: null, hasArguments: false };
}

/** The folder in which the files lie that the command names; `code` by habit. */
function folderOfCommand(command: string, files: readonly string[]): string | null {
  for (const word of command.split(/\s+/)) {
    const script = files.filter((path) => path === word || path.endsWith(`/${word}`)).sort((a, b) => a.length - b.length)[0];
    if (script !== undefined && word !== '') return script.slice(0, Math.max(0, script.length - word.length - 1));
  }
  return files.some((path) => path.startsWith('code/')) ? 'code' : null;
}

function commandOfProject(text: string, point: string, params: ReadonlyMap<string, string>): string | null {
  let project: unknown;
  try {
    project = parse(text);
  } catch {
    return null;
  }
  const entry = (project as { entry_points?: Record<string, { command?: unknown; parameters?: Record<string, unknown> }> } | null)
    ?.entry_points?.[point];
  if (typeof entry?.command !== 'string') return null;
  const defaults = Object.entries(entry.parameters ?? {}).flatMap(([name, value]) => {
    const fallback = typeof value === 'object' && value !== null ? (value as { default?: unknown }).default : undefined;
    return typeof fallback === 'string' || typeof fallback === 'number' ? [[name, String(fallback)] as const] : [];
  });
  return filled(entry.command, new Map([...defaults, ...params]));
}

/** `{alpha}` becomes the param's value, quoted for a shell; what is no param stays. */
function filled(command: string, params: ReadonlyMap<string, string>): string {
  return command.replace(/\{([\w.-]+)\}/g, (whole, name: string) => (params.has(name) ? quoted(params.get(name) as string) : whole));
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}

function gapsOf({ code, command, environment, datasets }: Omit<Recipe, 'missing'>, hasArguments: boolean): Gap[] {
  const gaps: Gap[] = [];
  const add = (what: Gap['what'], isNeeded: boolean, message: string): void => void gaps.push({ what, message, isNeeded });
  const isFetchable = code.folder !== null || (code.commit !== null && code.repository !== null);
  if (!isFetchable)
    add('code', true, 'the code was not logged: mlflow.log_artifact(__file__, "code"), or run from a git clone with a remote');
  if (code.commit === null)
    add('code', false, 'no git commit was recorded: run from a git repository, with the package GitPython installed');
  if (command === null) {
    add(
      'entry point',
      true,
      `nothing says what to start: set the tag ${ENTRY_POINT_TAG} ("python train.py --alpha {alpha}"), log an MLproject file, or log the script itself`,
    );
  } else if (!hasArguments) {
    add('entry point', false, `arguments of the command line were not recorded; it is run without any (tag ${ENTRY_POINT_TAG} says them)`);
  }
  if (environment === null)
    add('environment', true, 'no requirements.txt, python_env.yaml or conda.yaml was logged; logging a model brings all three');
  else {
    const loose = unpinned(environment.requirements);
    if (loose.length > 0) add('environment', false, `these say no version (name==version): ${loose.join(', ')}`);
    if (environment.python === null) add('environment', false, 'no file says which Python it was');
  }
  if (datasets.length === 0) add('data', false, 'no dataset was logged as input: mlflow.log_input(dataset, context="training")');
  return gaps;
}
