import { writeSync } from 'node:fs';
import { LmdbEventLog } from './lmdb-event-log.js';

// A process of its own for the recovery test: appends from many writers and tells of every acknowledgement, until it is killed.
// Arguments: the log's path, a name for this life.
const [path = '', life = ''] = process.argv.slice(2);
const WRITERS = 32;

const log = await LmdbEventLog.open({ path });
await log.ensureTopic({ name: 'facts', partitions: 3, retention: 'forever' });
await Promise.all(
  Array.from({ length: WRITERS }, async (_, writer) => {
    for (let round = 0; ; round++) {
      const value = `${life}.${writer}.${round}`;
      const [position] = await log.append([
        { topic: 'facts', key: null, partition: writer % 3, value: Buffer.from(value) },
        { topic: 'facts', key: null, partition: (writer + 1) % 3, value: Buffer.alloc(500, value) },
      ]);
      // Straight to the descriptor: what is acknowledged here must not die in a buffer of this process.
      writeSync(1, `${position?.partition}@${position?.offset} ${value}\n`);
    }
  }),
);
