// node --expose-gc --no-turbofan bytes-grown-old.ts: prints how many bytes of a request outlive the young generation, when thousands go through a queue.
import { Session } from 'node:inspector/promises';
import { timerScheduler } from '@millrace/event-log/local';
import type { Tensor } from '../domain/tensor/tensor.js';
import { BatchingQueue, type Departure } from '../runner/batching-queue.js';
import type { Runner } from '../runner/runner.js';

const CLIENTS = 32;
const REQUESTS = 2_000;
const COLUMNS = 30;
const BODY = JSON.stringify(Array.from({ length: COLUMNS }, (_, index) => Math.sin(index)));

/** Begins a chain where one can be: what is under way now is old afterwards. */
const AGED_AFTER = [200, 400, 600];
declare const gc: (options: { readonly type: 'minor' }) => void;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const rowsAs = (name: string, rows: number, data: Float32Array, width: number): Tensor => ({
  ...{ name, datatype: 'FP32', shape: [rows, width], data },
});
const runner: Runner = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, COLUMNS] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
  ...{ place: 'in-loop', parallelism: 1, memoryBytes: 0 },
  turn: () => undefined,
  async run([input]) {
    await turn();
    const rows = input?.shape[0] ?? 0;
    return { outputs: [rowsAs('y', rows, new Float32Array(rows), 1)], computeMs: 0, cpuMs: 0 };
  },
  close: () => Promise.resolve(),
};
const queue = new BatchingQueue(runner, {
  ...{ maxBatchRows: 256, maxQueuedRows: 1_000, now: () => performance.now() },
  scheduler: timerScheduler,
});
const isHere: Departure = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };

async function client(): Promise<void> {
  for (let request = 0; request < REQUESTS; request++) {
    const data = Float32Array.from(JSON.parse(BODY) as number[]);
    const deadline = performance.now() + 60_000;
    await queue.run({ inputs: [rowsAs('x', 1, data, COLUMNS)], outputs: ['y'], deadline, signal: { ...isHere } });
    await turn();
    if (AGED_AFTER.includes(request)) for (let times = 0; times < 3; times++) gc({ type: 'minor' });
  }
}

interface Sampled {
  readonly selfSize: number;
  readonly children: readonly Sampled[];
}
const bytesOf = ({ selfSize, children }: Sampled): number => children.reduce((sum, child) => sum + bytesOf(child), selfSize);

const session = new Session();
session.connect();
await session.post('HeapProfiler.startSampling', {
  ...{ samplingInterval: 4096, includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: false },
});
await Promise.all(Array.from({ length: CLIENTS }, client));
const { profile } = await session.post('HeapProfiler.stopSampling');
await queue.close();
process.stdout.write(String(Math.round(bytesOf(profile.head) / (CLIENTS * REQUESTS))));
