import { isFault } from '@millrace/kernel';
import { LmdbEventLog } from './lmdb-event-log.js';

// A process of its own for the recovery test: appends until it is refused, appends once more, reads everything back and tells.
// Argument: the log's path.
const log = await LmdbEventLog.open({ path: process.argv[2] ?? '' });
await log.ensureTopic({ name: 'facts', partitions: 1, retention: 'forever' });
const codes: string[] = [];
let appended = 0;
while (codes.length < 2) {
  try {
    await log.append([{ topic: 'facts', key: null, value: Buffer.alloc(100_000, 1) }]);
    appended++;
  } catch (error) {
    codes.push(isFault(error) ? error.code : String(error));
  }
}
let read = 0;
for await (const record of log.read('facts', 0, 0)) read += record.value.length === 100_000 ? 1 : 0;
process.stdout.write(JSON.stringify({ appended, codes, read }));
await log.close();
