import { statfsSync, type StatsFs } from 'node:fs';

const MIB = 1024 * 1024;
const LEAST_RESERVE = 16 * MIB;
const MOST_RESERVE = 256 * MIB;
const RESERVED_SHARE = 0.05;

type Disk = Pick<StatsFs, 'bavail' | 'blocks' | 'bsize'>;

/**
 * What has to stay free on the log's disk: a twentieth of it, 16 MiB at least and 256 MiB at most. LMDB does not survive a disk that fills up in the
 * middle of a large transaction, and what reads the log keeps its stores on the same disk.
 */
export function reserveOf(diskBytes: number): number {
  return Math.min(MOST_RESERVE, Math.max(LEAST_RESERVE, diskBytes * RESERVED_SHARE));
}

/** Why `bytes` more must not be written below `directory`, or nothing where there is room for them. It costs a few microseconds. */
export function lackOfRoom(directory: string, bytes: number, reserveBytes?: number): string | undefined {
  let disk: Disk;
  try {
    disk = statfsSync(directory);
  } catch {
    return undefined;
  }
  return lackOn(disk, directory, bytes, reserveBytes);
}

/** The same of a disk that says what it has. A file system that does not say (some network mounts tell zeros) has to be written to for finding out. */
export function lackOn({ bavail, blocks, bsize }: Disk, directory: string, bytes: number, reserveBytes?: number): string | undefined {
  const total = blocks * bsize;
  if (total === 0) return undefined;
  const free = bavail * bsize;
  const reserve = reserveBytes ?? reserveOf(total);
  if (free >= reserve + bytes) return undefined;
  const mib = (count: number) => `${Math.floor(count / MIB)} MiB`;
  return `the disk of ${directory} is full: ${mib(free)} are left, and ${mib(reserve)} have to stay free; make room, and it goes on by itself`;
}
