import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';
import { everyItem } from '../pages.js';

interface KeyView {
  readonly keyId: string;
  readonly name: string;
  readonly actor: string;
  readonly workspace: string;
  readonly role: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly state: 'live' | 'revoked' | 'expired';
}

export interface CreateKeyOptions {
  readonly role: string;
  readonly expires?: string;
  readonly actor?: string;
  readonly workspace?: string;
  readonly output: string;
}

/** Creates a key and shows it. The key alone goes to standard output, so that it can be caught by a script. */
export async function createKey(client: MillraceClient, io: Io, name: string, options: CreateKeyOptions): Promise<void> {
  const { role, expires: expiresIn, actor, workspace, output } = options;
  const body = JSON.stringify({ name, role, expiresIn, actor, workspace });
  const created = await client.json<KeyView & { key: string }>('POST', '/api/v1/access/keys', {
    body,
    headers: { 'content-type': 'application/json' },
  });
  if (output === 'json') {
    io.out(`${JSON.stringify(created, null, 2)}\n`);
    return;
  }
  const until = created.expiresAt === null ? 'until it is revoked' : `until ${created.expiresAt}`;
  io.err(`${created.name} (${created.keyId}) is ${created.role} of workspace ${created.workspace} ${until}. It is shown this once:\n`);
  io.out(`${created.key}\n`);
}

export async function listKeys(client: MillraceClient, io: Io, output: string): Promise<void> {
  const keys = await everyItem<KeyView>(client, '/api/v1/access/keys', 'keys');
  if (output === 'json') {
    io.out(`${JSON.stringify(keys, null, 2)}\n`);
    return;
  }
  const rows = keys.map((key) => [
    ...[key.keyId, key.name, key.actor, key.role, key.workspace, key.state],
    ...[key.createdAt, key.expiresAt ?? 'never'],
  ]);
  io.out(table(['ID', 'NAME', 'ACTOR', 'ROLE', 'WORKSPACE', 'STATE', 'CREATED', 'EXPIRES'], rows));
}

export async function revokeKey(client: MillraceClient, io: Io, key: string, reason: string | undefined): Promise<void> {
  const query = reason === undefined ? '' : `?reason=${encodeURIComponent(reason)}`;
  const revoked = await client.json<KeyView>('DELETE', `/api/v1/access/keys/${encodeURIComponent(key)}${query}`);
  io.out(`${revoked.name} (${revoked.keyId}) is revoked\n`);
}
