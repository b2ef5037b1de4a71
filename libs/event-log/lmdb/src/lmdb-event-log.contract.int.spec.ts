import { eventLogContract } from '@millrace/event-log/contract';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LmdbEventLog } from './lmdb-event-log.js';

eventLogContract('LmdbEventLog', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-log-'));
  const path = join(directory, 'log.mdb');
  const log = await LmdbEventLog.open({ path });
  return {
    log,
    connect: () => LmdbEventLog.open({ path }),
    async release() {
      await log.close();
      await rm(directory, { recursive: true });
    },
  };
});
