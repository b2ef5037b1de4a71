import { parentPort } from 'node:worker_threads';
import type { ThreadRequest } from '../runner/session-protocol.js';

// A session's thread that ends when it is asked for the number 13, as a thread that ran out of memory does: for tests of what becomes
// of the others in it.
parentPort?.on('message', (request: ThreadRequest) => {
  if (request.kind === 'run' && (request.inputs[0]?.data as Float32Array | undefined)?.includes(13)) process.exit(7);
});
await import('../runner/session-worker.js');
