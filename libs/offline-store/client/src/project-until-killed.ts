import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { openOfflineStore } from './open-offline-store.js';
import { READINGS, readings } from './projection.fixture.js';
import { TableProjection } from './table-projection.js';

// A process of its own for the kill test: appends and projects what is in the log until it is killed.
// Arguments: a directory, the first number of this life.
const [directory = '', first = '0'] = process.argv.slice(2);

const log = await LmdbEventLog.open({ path: join(directory, 'log.mdb') });
await log.ensureTopic({ name: 'readings', partitions: 3, retention: 'forever' });
const store = await openOfflineStore({ path: join(directory, 'chdb') });
await store.command(READINGS);
// Small blocks and ages, so that every kill meets inserts on their way.
await new TableProjection({ ...readings, store, log, maxRows: 500, maxAgeMs: 5 }).start();
writeSync(1, 'projecting\n');

for (let n = Number(first); ; n += 100) {
  await log.append(
    Array.from({ length: 100 }, (_, i) => ({
      topic: 'readings',
      key: null,
      partition: (n + i) % 3,
      value: Buffer.from(JSON.stringify({ n: n + i, text: `reading ${n + i}` })),
    })),
  );
}
