import { statfsSync } from 'node:fs';

const MIB = 1024 * 1024;
const LEAST_RESERVE = 16 * MIB;
const MOST_RESERVE = 256 * MIB;
const RESERVED_SHARE = 0.05;

/**
 * What has to stay free on the log's disk: a twentieth of it, 16 MiB at least and 256 MiB at most. LMDB does not survive a disk that fills up in the
 * middle of a large transaction, and what reads the log keeps its stores on the same disk.
 */
export function reserveOf(diskBytes: number): number {
  return Math.min(MOST_RESERVE, Math.max(LEAST_RESERVE, diskBytes * RESERVED_SHARE));
}

/** Why `bytes` more must not be written below `directory`, or nothing where there is room for them. It costs a few microseconds. */
export function lackOfRoom(directory: string, bytes: number, reserveBytes?: number): string | undefined {
  let free: number;
  let total: number;
  try {
    const { bavail, blocks, bsize } = statfsSync(directory);
    [free, total] = [bavail * bsize, blocks * bsize];
  } catch {
    // A file system that does not say has to be written to for finding out.
    return undefined;
  }
  const reserve = reserveBytes ?? reserveOf(total);
  if (free >= reserve + bytes) return undefined;
  const mib = (count: number) => `${Math.floor(count / MIB)} MiB`;
  return `the disk of ${directory} is full: ${mib(free)} are left, and ${mib(reserve)} have to stay free; make room, and it goes on by itself`;
}
