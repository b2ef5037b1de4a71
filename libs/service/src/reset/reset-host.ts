import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import type { Clock, Ids } from '@millrace/kernel';
import { quoteTable, type OfflineStore } from '@millrace/offline-store';
import type { OnlineStore } from '@millrace/online-store';
import { KINDS, resourceSubject } from '@millrace/resources';
import type { LogConsumers } from '../log/log-consumers.js';
import type { Resources } from '../log/resources.js';
import type { TableProjections } from '../log/table-projections.js';
import type { Reset } from './reset.js';

export interface ResetHostOptions {
  readonly reset: Reset;
  readonly log: EventLog;
  readonly online: OnlineStore;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly consumers: LogConsumers;
  readonly tables: TableProjections;
  readonly resources: Resources;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** How what every process stands on is emptied. Replicas register for themselves. */
export function resetHost(options: ResetHostOptions): void {
  const { reset, log, online, consumers, tables, resources } = options;
  // Deleted like anybody deletes them, so that every service lets go of what it runs for them.
  reset.add('rest', 'resources', () => deleteResources(options));
  reset.add('rest', 'consumers', () => consumers.settled());
  reset.add('rest', 'tables', () => tables.settled());
  reset.add('log', 'the log', () => log.clear?.());
  reset.add('state', 'the resource catalog', () => resources.catalog.clear());
  reset.add('stores', 'the online store', async () => void (await online.clear(Buffer.alloc(0))));
  reset.add('stores', 'the offline store', () => truncateTables(options));
  reset.add('stores', 'the artifact store', () => removeArtifacts(options));
}

async function deleteResources({ resources, clock, ids }: ResetHostOptions): Promise<void> {
  // Who uses another goes before it: kinds are listed with what they rest on first.
  for (const kind of [...KINDS].reverse()) {
    for (const { name } of resources.catalog.list(kind)) {
      const metadata = { commandId: ids.next(), actor: 'millrace', now: clock.now() };
      await resources.log.handle(resourceSubject(kind, name), { type: 'DeleteResource' }, metadata);
    }
  }
}

/** Tables are kept, and what is known of their making: a start would not make them again. */
async function truncateTables({ offline }: ResetHostOptions): Promise<void> {
  const filled = await offline.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = 'millrace' AND name != 'migrations' AND total_rows > 0 AND engine LIKE '%MergeTree'`,
  );
  for (const { name } of filled) await offline.command(`TRUNCATE TABLE ${quoteTable(`millrace.${name}`)}`);
}

async function removeArtifacts({ artifacts }: ResetHostOptions): Promise<void> {
  for (const { path } of await artifacts.list('')) await artifacts.remove(path);
}
