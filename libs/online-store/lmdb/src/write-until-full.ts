import { isFault } from '@millrace/kernel';
import { LmdbOnlineStore } from './lmdb-online-store.js';

// A process of its own for the test of a full disk: writes until it is refused, and tells what can be read then. Argument: the store's path.
const store = await LmdbOnlineStore.open({ path: process.argv[2] ?? '', gatherMs: 5, maxGatheredBytes: 1_000_000 });
let written = 0;
let code = '';
while (code === '') {
  try {
    await store.writeMany([{ key: Buffer.from(`key ${written}`), value: Buffer.alloc(100_000, written) }]);
    written++;
  } catch (error) {
    code = isFault(error) ? error.code : String(error);
  }
}
const keys = Array.from({ length: written }, (_, index) => Buffer.from(`key ${index}`));
const read = (await store.getMany(keys)).filter((value, index) => value?.length === 100_000 && value[0] === (index & 255)).length;
const health = await store.ping().then(
  () => 'well',
  () => 'ill',
);
process.stdout.write(JSON.stringify({ written, read, code, health }), () => process.exit());
