import { cpus, totalmem } from 'node:os';

/** The day and the machine, as a result tells them. */
export function measuredOn(): string {
  const processor = cpus()[0]?.model ?? 'unknown';
  return `on ${new Date().toISOString().slice(0, 10)}; Node ${process.version}, ${cpus().length} cores (${processor}), ${Math.round(totalmem() / 2 ** 30)} GiB.`;
}
