import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What the disk itself takes, in milliseconds, ascending: append some bytes to a file, fdatasync, again. No durable log on this disk can answer sooner. `everyMs`
 * makes them due at a steady rate and counts from then: a disk that stands still for a moment keeps all waiting that come in it, not one.
 */
export async function bareSyncs(path: string, count: number, { bytes = 4_096, everyMs = 0 } = {}): Promise<number[]> {
  const page = Buffer.alloc(bytes, 'x');
  const file = await open(path, 'w');
  const latencies: number[] = [];
  const began = performance.now();
  for (let index = 0; index < count; index++) {
    const due = everyMs > 0 ? began + index * everyMs : performance.now();
    if (due > performance.now()) await sleep(due - performance.now());
    await file.write(page);
    await file.datasync();
    latencies.push(performance.now() - due);
  }
  await file.close();
  return latencies.sort((a, b) => a - b);
}
