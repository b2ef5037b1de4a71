import { exactJsonText } from '@millrace/kernel';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';

export interface StatusView {
  readonly service: string;
  readonly live: boolean;
  readonly ready: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail?: string }[];
  readonly topics: readonly { readonly name: string; readonly kind: string; readonly records: number }[];
  readonly deadLetters: readonly { readonly name: string; readonly records: number }[];
  readonly resources: Readonly<Record<string, number>>;
}

/** Shows one process at a glance. True when it is ready. */
export async function status(client: MillraceClient, io: Io, output: string): Promise<boolean> {
  const found = await client.json<StatusView>('GET', '/api/v1/status');
  if (output === 'json') io.out(`${exactJsonText(found, { indent: 2 })}\n`);
  else show(client.server, io, found);
  return found.ready;
}

function show(server: string, io: Io, { service, ready, checks, topics, deadLetters, resources }: StatusView): void {
  io.out(`${service} at ${server} is ${ready ? 'ready' : 'not ready'}\n`);
  for (const { name, ok, detail } of checks) if (!ok) io.out(`  ${name}: ${detail ?? 'not ok'}\n`);
  const defined = Object.entries(resources).filter(([, count]) => count > 0);
  io.out(`\nresources: ${defined.length === 0 ? 'none yet' : defined.map(([kind, count]) => `${count} ${kind}`).join(', ')}\n\n`);
  io.out(
    table(
      ['TOPIC', 'KIND', 'RECORDS'],
      topics.map(({ name, kind, records }) => [name, kind, String(records)]),
    ),
  );
  if (deadLetters.length === 0) return;
  io.out('\nput aside, because they could not be taken:\n');
  for (const { name, records } of deadLetters) {
    io.out(`  ${records} in ${name}; see them with millrace events dead-letters ${name.replace(/\.dead-letters$/, '')}\n`);
  }
}
