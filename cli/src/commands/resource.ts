import { stringify } from 'yaml';
import type { MillraceClient } from '../client.js';
import { everyItem } from '../pages.js';

/** A resource as the server shows it. */
export interface ResourceView {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>>; readonly description?: string };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status: { readonly version: number; readonly hash: string };
}

export function resourcePath(kind: string, name: string, version?: string): string {
  const query = version === undefined ? '' : `?version=${encodeURIComponent(version)}`;
  return `/api/v1/resources/${encodeURIComponent(kind)}/${encodeURIComponent(name)}${query.toString()}`;
}

/** Every resource of a kind, or of all, page by page. */
export async function listResources(client: MillraceClient, kind: string | undefined): Promise<ResourceView[]> {
  return everyItem<ResourceView>(client, '/api/v1/resources', 'resources', { limit: '500', kind });
}

/** As it would be applied: without what only the server knows. */
export function asApplied({ apiVersion, kind, metadata, spec }: ResourceView): string {
  const { name, labels = {}, description } = metadata;
  const known = { name, ...(Object.keys(labels).length > 0 ? { labels } : {}), ...(description === undefined ? {} : { description }) };
  return yaml({ apiVersion, kind, metadata: known, spec });
}

export function yaml(value: unknown): string {
  return stringify(value, { lineWidth: 140, aliasDuplicateObjects: false });
}
