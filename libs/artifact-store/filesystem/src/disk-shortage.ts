import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';

const MIB = 1024 * 1024;
const LEAST = 16 * MIB;
const MOST = 256 * MIB;
const SHARE = 0.05;

type Disk = Pick<StatsFs, 'bavail' | 'blocks' | 'bsize'>;

/** Why uploads below a directory fail or soon will, or nothing while their disk has room. */
export async function shortageBelow(directory: string): Promise<string | undefined> {
  return shortageOn(await statfs(directory), directory);
}

/**
 * The same of a disk that says what it has: it is short of room when less than a twentieth of it is left, 16 MiB at least and 256 MiB at most.
 * A file system that tells no size (some network mounts tell zeros) has to be written to for finding out.
 */
export function shortageOn({ bavail, blocks, bsize }: Disk, directory: string): string | undefined {
  const total = blocks * bsize;
  const free = bavail * bsize;
  if (total === 0 || free >= Math.min(MOST, Math.max(LEAST, total * SHARE))) return undefined;
  return `the disk of ${directory} has ${Math.floor(free / MIB)} MiB left: files that do not fit are refused with MR_ARTIFACT_DISK_FULL; make room, and it goes on by itself`;
}
