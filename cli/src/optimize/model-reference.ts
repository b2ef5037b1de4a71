import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';

/** A version of a registered model. */
export interface VersionReference {
  readonly name: string;
  readonly version: number;
}

/** Finds what `name`, `name@3` or `name@champion` means now; without anything behind it, the newest version. */
export async function resolveVersion(client: MillraceClient, reference: string): Promise<VersionReference> {
  const at = reference.lastIndexOf('@');
  const [name, which] = at > 0 ? [reference.slice(0, at), reference.slice(at + 1)] : [reference, undefined];
  if (which === '') throw new CliError(`${reference}: a version or an alias follows the @`, EXIT.usage);
  if (which === undefined) return { name, version: await newest(client, name) };
  if (/^[1-9]\d{0,14}$/.test(which)) return { name, version: Number(which) };
  const query = new URLSearchParams({ name, alias: which });
  const found = await client.json<{ model_version: { version: string } }>(
    'GET',
    `/api/2.0/mlflow/registered-models/alias?${query.toString()}`,
  );
  return { name, version: Number(found.model_version.version) };
}

async function newest(client: MillraceClient, name: string): Promise<number> {
  const query = new URLSearchParams({ filter: `name=${quoted(name)}`, order_by: 'version_number DESC', max_results: '1' });
  const { model_versions: versions = [] } = await client.json<{ model_versions?: { version: string }[] }>(
    'GET',
    `/api/2.0/mlflow/model-versions/search?${query.toString()}`,
  );
  const [first] = versions;
  if (!first) throw new CliError(`there is no version of a registered model ${name}`, EXIT.refused);
  return Number(first.version);
}

/** A text in a filter of MLflow's. */
export function quoted(text: string): string {
  return text.includes("'") ? `"${text}"` : `'${text}'`;
}
