import { folderName } from '../folder-name.js';
import { bringFiles, proxiedPath } from './import-files.js';
import type { ImportContext } from './import-runs.js';
import { attempt, compareField } from './import-compare.js';
import type { ImportReport } from './import-report.js';
import { isRefusal } from './mlflow-server.js';
import type { Model, Version } from './mlflow-types.js';

/** What the registry says of a model or version that it was asked to bring. */
interface Made {
  readonly created: boolean;
  /** `*`: it was not brought from there. */
  readonly changed_here: readonly string[];
  readonly refused: readonly { readonly what: string; readonly message: string }[];
}

type Aliases = NonNullable<Model['aliases']>;

/** Brings one registered model: its versions in the order of their numbers, then its aliases and what has been deleted there. */
export async function importModel(context: ImportContext, found: Model): Promise<void> {
  const { from, to, origin, report, progress } = context;
  const { name } = found;
  const { registered_model: model } = await from.get<{ registered_model: Model }>('registered-models/get', { name });
  const { description, tags = [], creation_timestamp, last_updated_timestamp, aliases = [] } = model;
  const where = `model ${name}`;
  const asked = { name, description, tags, creation_timestamp, last_updated_timestamp, origin };
  const made = await to.post<Made>('registered-models/import', asked);
  report.count('models', 1, made.created ? 1 : 0);
  const versions: Version[] = [];
  for await (const version of from.versions(name)) versions.push(version);
  versions.sort((a, b) => Number(a.version) - Number(b.version));
  for (const version of versions) {
    await importVersion(context, version);
    progress(`model ${name}: version ${version.version}`);
  }
  const rest = await to.post<{ aliases: number; left: string[]; refused: Made['refused'] }>('registered-models/import-rest', {
    ...{ name, origin, aliases: aliases.map(({ alias, version }) => ({ alias, version: String(version) })) },
    versions: versions.map(({ version }) => String(version)),
  });
  report.count('aliases', aliases.length, rest.aliases);
  tellRefused(report, where, [...made.refused, ...rest.refused]);
  const { registered_model: here } = await to.get<{ registered_model: Model }>('registered-models/get', { name });
  compareDescribed(report, where, model, here, made);
  compareRest(context, where, aliases, here, rest.left);
}

/** Models that were brought from there before and are not there any more; whoever has deleted them there deletes them here. */
export async function findGoneModels({ to, origin, report }: ImportContext, names: ReadonlySet<string>): Promise<void> {
  const { names: brought = [] } = await to.get<{ names?: string[] }>('registered-models/imported', { origin });
  for (const name of brought) if (!names.has(name)) report.left(`model ${name}`, 'it was brought from there and is not there any more');
}

function compareRest({ report }: ImportContext, where: string, aliases: Aliases, here: Model, left: readonly string[]): void {
  const known = new Map(here.aliases?.map(({ alias, version }) => [alias, String(version)]));
  for (const { alias, version } of aliases) {
    if (left.includes(`alias:${alias}`)) compareField(report, where, `alias ${alias}`, [String(version), known.get(alias)], true);
  }
  for (const what of left) {
    if (what.startsWith('version:')) report.left(where, `version ${what.slice('version:'.length)} was deleted there; it was changed here`);
  }
}

async function importVersion(context: ImportContext, version: Version): Promise<void> {
  const { from, to, origin, report } = context;
  const where = `model ${version.name} version ${version.version}`;
  const done = await attempt(report, where, async () => {
    // The search leaves things out in some versions; the version itself does not.
    const query = { name: version.name, version: String(version.version) };
    const { model_version: there } = await from.get<{ model_version: Version }>('model-versions/get', query);
    const source = await sourceOf(context, there, where);
    const made = await to.post<Made>('model-versions/import', {
      ...{ name: there.name, version: String(there.version), source, origin, run_id: there.run_id, run_link: there.run_link },
      ...{ description: there.description, tags: there.tags ?? [], current_stage: there.current_stage, user_id: there.user_id },
      ...{ creation_timestamp: there.creation_timestamp, last_updated_timestamp: there.last_updated_timestamp },
    });
    report.count('versions', 1, made.created ? 1 : 0);
    tellRefused(report, where, made.refused);
    const { model_version: here } = await to.get<{ model_version: Version }>('model-versions/get', query);
    compareDescribed(report, where, there, here, made);
    if (!isRefused(made, 'stage')) {
      compareField(report, where, 'current_stage', [there.current_stage, here.current_stage], made.changed_here.includes('stage'));
    }
    compareField(report, where, 'run_id', [there.run_id, here.run_id], false);
    // What is followed later is changed here at that time.
    if (!made.created) return true;
    for (const field of ['creation_timestamp', 'last_updated_timestamp'] as const) {
      compareField(report, where, field, [there[field], here[field]], false);
    }
    return true;
  });
  if (done === undefined) report.count('versions', 1, 0);
}

/** Description and tags, which models and versions have alike. */
function compareDescribed(report: ImportReport, where: string, there: Model | Version, here: Model | Version, made: Made): void {
  const isLeft = (what: string): boolean => made.changed_here.includes('*') || made.changed_here.includes(what);
  if (!isRefused(made, 'description')) {
    compareField(report, where, 'description', [there.description, here.description], isLeft('description'));
  }
  const tagsHere = new Map(here.tags?.map(({ key, value = '' }) => [key, value]));
  const tagsThere = new Map(there.tags?.map(({ key, value = '' }) => [key, value]));
  for (const key of new Set([...tagsThere.keys(), ...tagsHere.keys()])) {
    // What people have added here is no difference to anything there.
    if (isRefused(made, `tag:${key}`) || (!tagsThere.has(key) && isLeft(`tag:${key}`))) continue;
    compareField(report, where, `tag ${key}`, [tagsThere.get(key), tagsHere.get(key)], isLeft(`tag:${key}`));
  }
}

function tellRefused(report: ImportReport, where: string, refused: Made['refused']): void {
  for (const { what, message } of refused) report.problem(where, `${what.replace(':', ' ')}: ${message}`);
}

function isRefused({ refused }: Made, what: string): boolean {
  return refused.some((one) => one.what === what);
}

/** Where the version's files are here: with its run when they were the run's, else in a folder of their own. */
async function sourceOf(context: ImportContext, version: Version, where: string): Promise<string> {
  const { from, to, report, withArtifacts } = context;
  if (await isOfLoggedModelHere(context, version)) return version.source as string;
  const query = { name: version.name, version: String(version.version) };
  const { artifact_uri: uri } = await from.get<{ artifact_uri: string }>('model-versions/get-download-uri', query);
  if (version.run_id) {
    const [there, here] = [await artifactUri(context, 'from', version.run_id), await artifactUri(context, 'to', version.run_id)];
    if (there !== undefined && here !== undefined && isBelow(uri, there)) return `${here}${uri.slice(there.length)}`;
  }
  const path = proxiedPath(uri);
  if (path === undefined) {
    report.note(`${where}: its files are at ${uri}, which no server hands out; it keeps that source`);
    return version.source ?? uri;
  }
  const folder = `imported-models/${folderName(version.name)}/${version.version}`;
  if (withArtifacts) {
    const read = (file: string) => from.readStored(`${path}/${file}`);
    await bringFiles({ to, report, where, files: from.storedFiles(path), read, folder });
  }
  return `mlflow-artifacts:/${folder}`;
}

/** A logged model that was brought has the files of its versions. */
async function isOfLoggedModelHere({ to }: ImportContext, { source }: Version): Promise<boolean> {
  const [, modelId] = /^models:\/(m-[0-9a-f]{32})(\/|$)/.exec(source ?? '') ?? [];
  if (modelId === undefined) return false;
  try {
    await to.get(`logged-models/${modelId}`);
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

async function artifactUri(context: ImportContext, side: 'from' | 'to', runId: string): Promise<string | undefined> {
  try {
    const run = await context[side].run(runId);
    return run.info.artifact_uri.replace(/\/+$/, '');
  } catch (error) {
    // A run that was removed for good; its versions stay.
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

function isBelow(uri: string, root: string): boolean {
  return uri === root || uri.startsWith(`${root}/`);
}
