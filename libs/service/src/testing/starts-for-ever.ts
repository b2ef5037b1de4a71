import { DataDirectory } from '../host/data-directory.js';
import { runOrExplain } from '../host/run-main.js';

// A process of its own for the test of signals during a start: holds the data directory of its argument and starts for ever.
await runOrExplain(async () => {
  DataDirectory.open(process.argv[2] ?? '');
  setInterval(() => {}, 1000);
  process.stdout.write('starting\n');
  await new Promise(() => {});
});
