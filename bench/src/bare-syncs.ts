import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What the disk itself takes, in milliseconds, ascending: append some bytes to a file, fdatasync, after a pause again. No durable log on this disk can answer
 * sooner.
 */
export async function bareSyncs(path: string, count: number, { bytes = 4_096, pauseMs = 0 } = {}): Promise<number[]> {
  const page = Buffer.alloc(bytes, 'x');
  const file = await open(path, 'w');
  const latencies: number[] = [];
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    await file.write(page);
    await file.datasync();
    latencies.push(performance.now() - started);
    if (pauseMs > 0) await sleep(pauseMs);
  }
  await file.close();
  return latencies.sort((a, b) => a - b);
}
