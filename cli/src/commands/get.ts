import { exactJsonText } from '@millrace/kernel';
import { CliError, EXIT } from '../cli-error.js';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';
import { asApplied, listResources, resourcePath, yaml, type ResourceView } from './resource.js';

export interface GetOptions {
  readonly output: 'table' | 'json' | 'yaml';
  readonly version?: string;
}

/** Shows resources: all of a kind, all there are (`all`), or one. */
export async function get(client: MillraceClient, io: Io, kind: string, name: string | undefined, options: GetOptions): Promise<void> {
  if (name === undefined && options.version !== undefined)
    throw new CliError('--version is of one resource; say its name: millrace get KIND NAME --version N', EXIT.usage);
  if (name !== undefined && kind === 'all') throw new CliError(`say of which kind ${name} is; all shows every resource`, EXIT.usage);
  if (name !== undefined) {
    const resource = await client.json<ResourceView>('GET', resourcePath(kind, name, options.version));
    if (options.output === 'table') io.out(resourceTable([resource]));
    else io.out(options.output === 'json' ? json(resource) : asApplied(resource));
    return;
  }
  const resources = await listResources(client, kind === 'all' ? undefined : kind);
  if (options.output === 'json') io.out(json(resources));
  else if (options.output === 'yaml') io.out(resources.map(asApplied).join('---\n'));
  else if (resources.length === 0) io.err(`no ${kind === 'all' ? 'resources' : kind} yet; define some with millrace apply -f\n`);
  else io.out(resourceTable(resources));
}

const MOST_VERSIONS = 20;

/** Everything about one resource: what it is, its spec, and the versions it has had. */
export async function describe(client: MillraceClient, io: Io, kind: string, name: string): Promise<void> {
  const resource = await client.json<ResourceView>('GET', resourcePath(kind, name));
  const { version, hash } = resource.status;
  const { labels = {}, description } = resource.metadata;
  io.out(`${resource.kind}/${resource.metadata.name}\n`);
  if (description !== undefined) io.out(`description: ${description}\n`);
  if (Object.keys(labels).length > 0) io.out(`labels: ${labelText(labels)}\n`);
  io.out(`version: ${version}\nhash: ${hash}\nspec:\n${indented(yaml(resource.spec))}`);
  if (version === 1) return;
  const oldest = Math.max(1, version - MOST_VERSIONS);
  const earlier = Array.from({ length: version - oldest }, (_, index) => version - 1 - index);
  io.out('earlier versions:\n');
  for (const number of earlier) {
    const old = await client.json<ResourceView>('GET', resourcePath(kind, name, String(number)));
    io.out(`  ${number}  ${old.status.hash.slice(0, 12)}\n`);
  }
  if (oldest > 1) io.out(`  and ${oldest - 1} before; see them with millrace get ${kind} ${name} --version N -o yaml\n`);
}

/** Deletes one resource; its versions stay readable. */
export async function remove(client: MillraceClient, io: Io, kind: string, name: string, commandId: string): Promise<void> {
  const deleted = await client.json<{ kind: string; name: string }>('DELETE', resourcePath(kind, name), {
    headers: { 'idempotency-key': commandId },
  });
  io.out(`${deleted.kind}/${deleted.name} deleted\n`);
}

function resourceTable(resources: readonly ResourceView[]): string {
  const rows = resources.map(({ kind, metadata, status }) => [
    kind,
    metadata.name,
    String(status.version),
    labelText(metadata.labels ?? {}),
    metadata.description?.split('\n')[0] ?? '',
  ]);
  return table(['KIND', 'NAME', 'VERSION', 'LABELS', 'DESCRIPTION'], rows);
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

function json(value: unknown): string {
  return `${exactJsonText(value, { indent: 2 })}\n`;
}
