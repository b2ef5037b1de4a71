import { folderName } from '../folder-name.js';
import { bringFiles, proxiedPath } from './import-files.js';
import type { ImportContext } from './import-runs.js';
import { isRefusal } from './mlflow-server.js';
import type { Model, Run, Version } from './mlflow-types.js';

/** Brings one registered model: its versions in the order of their numbers, then the aliases that point to them. */
export async function importModel(context: ImportContext, found: Model): Promise<void> {
  const { from, to, origin, report, progress } = context;
  const { name } = found;
  const { registered_model: model } = await from.get<{ registered_model: Model }>('registered-models/get', { name });
  const { description, tags = [], creation_timestamp, last_updated_timestamp, aliases = [] } = model;
  const asked = { name, description, tags, creation_timestamp, last_updated_timestamp, origin };
  const { created } = await to.post<{ created: boolean }>('registered-models/import', asked);
  report.count('models', 1, created ? 1 : 0);
  const versions: Version[] = [];
  for await (const version of from.versions(name)) versions.push(version);
  versions.sort((a, b) => Number(a.version) - Number(b.version));
  for (const version of versions) {
    await importVersion(context, version);
    progress(`model ${name}: version ${version.version}`);
  }
  const { registered_model: here } = await to.get<{ registered_model: Model }>('registered-models/get', { name });
  const known = new Map(here.aliases?.map(({ alias, version }) => [alias, Number(version)]));
  for (const { alias, version } of aliases) {
    const present = known.get(alias);
    report.count('aliases', 1, present === undefined ? 1 : 0);
    if (present === undefined) await to.post('registered-models/alias', { name, alias, version: String(version) });
    else if (present !== Number(version))
      report.note(`alias ${alias} of model ${name} is version ${present} here and ${version} there; left`);
  }
}

async function importVersion(context: ImportContext, version: Version): Promise<void> {
  const { from, to, origin, report } = context;
  const where = `model ${version.name} version ${version.version}`;
  try {
    // The search leaves things out in some versions; the version itself does not.
    const query = { name: version.name, version: String(version.version) };
    const { model_version: there } = await from.get<{ model_version: Version }>('model-versions/get', query);
    const source = await sourceOf(context, there, where);
    const { created } = await to.post<{ created: boolean }>('model-versions/import', {
      ...{ name: there.name, version: String(there.version), source, origin, run_id: there.run_id, run_link: there.run_link },
      ...{ description: there.description, tags: there.tags ?? [], current_stage: there.current_stage, user_id: there.user_id },
      ...{ creation_timestamp: there.creation_timestamp, last_updated_timestamp: there.last_updated_timestamp },
    });
    report.count('versions', 1, created ? 1 : 0);
    const { model_version: here } = await to.get<{ model_version: Version }>('model-versions/get', query);
    if (!created) return;
    for (const field of ['current_stage', 'creation_timestamp', 'last_updated_timestamp', 'run_id', 'description'] as const) {
      const [a, b] = [there[field] ?? '', here[field] ?? ''].map(String);
      if (a !== b) report.problem(where, `${field} is ${a} there and ${b} here`);
    }
  } catch (error) {
    if (!isRefusal(error)) throw error;
    report.count('versions', 1, 0);
    report.problem(where, error.message);
  }
}

/** Where the version's files are here: with its run when they were the run's, else in a folder of their own. */
async function sourceOf(context: ImportContext, version: Version, where: string): Promise<string> {
  const { from, to, report, withArtifacts } = context;
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

async function artifactUri(context: ImportContext, side: 'from' | 'to', runId: string): Promise<string | undefined> {
  try {
    const { run } = await context[side].get<{ run: Run }>('runs/get', { run_id: runId, run_uuid: runId });
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
