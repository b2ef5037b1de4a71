import { Fault } from '@millrace/kernel';
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { makeFolder } from './make-folder.js';

const LOCK = 'millrace.lock';

/** A lock from another host says nothing of its process; it counts as held while its file is touched. */
const HEARTBEAT_MS = 5000;
const FOREIGN_STALE_MS = 4 * HEARTBEAT_MS;

interface Holder {
  readonly pid: number;
  /** Start time of the process as the system counts it; tells a process from a later one with the same pid. */
  readonly started: string;
  readonly host: string;
}

/**
 * The data directory, held by this process alone: the embedded stores are written for one process, and two would spoil them. The lock
 * file names the holder; a lock whose process is gone (kill -9, a power cut) is taken over.
 */
export class DataDirectory {
  readonly path: string;
  readonly #lock: string;
  readonly #heartbeat: NodeJS.Timeout;
  /** An end that closes nothing (a start that fails or is told to end, a second signal) leaves no lock: to a container of another name it would count as held. */
  readonly #release = () => rmSync(this.#lock, { force: true });

  private constructor(path: string, lock: string) {
    this.path = path;
    this.#lock = lock;
    this.#heartbeat = setInterval(() => touch(lock), HEARTBEAT_MS);
    this.#heartbeat.unref();
    process.once('exit', this.#release);
  }

  static open(directory: string): DataDirectory {
    const path = resolve(directory);
    try {
      makeFolder(path);
    } catch (error) {
      throw unusable(path, error);
    }
    const lock = join(path, LOCK);
    const mine: Holder = { pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() };
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        createWhole(lock, mine);
        return new DataDirectory(path, lock);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(path, error);
      }
      const holder = read(lock);
      if (holder && isHeld(holder, lock)) {
        throw new Fault(
          'MR_DATA_DIR_IN_USE',
          `${path} is in use by process ${holder.pid} on ${holder.host}; a data directory belongs to one process. ` +
            `Stop that one, or give this one another MILLRACE_DATA_DIR.`,
          false,
          { details: { ...holder } },
        );
      }
      takeAway(lock, holder);
    }
    throw new Fault('MR_DATA_DIR_IN_USE', `${lock} is being fought over by several processes`, true);
  }

  /** A folder below the data directory, made if missing. */
  folder(...names: readonly string[]): string {
    const path = join(this.path, ...names);
    makeFolder(path);
    return path;
  }

  close(): void {
    clearInterval(this.#heartbeat);
    process.off('exit', this.#release);
    this.#release();
  }
}

/** What the file system refuses is told by the variable that names the folder. */
function unusable(path: string, error: unknown): Fault {
  const reason = error instanceof Error ? error.message : String(error);
  return new Fault('MR_DATA_DIR_UNUSABLE', `${path} cannot be used as MILLRACE_DATA_DIR, a folder to write to: ${reason}`, false, {
    cause: error,
  });
}

function isHeld(holder: Holder, lock: string): boolean {
  if (holder.host !== hostname()) {
    try {
      return Date.now() - statSync(lock).mtimeMs < FOREIGN_STALE_MS;
    } catch {
      return false;
    }
  }
  return isAlive(holder.pid) && (startOf(holder.pid) ?? holder.started) === holder.started;
}

/** Moves a stale lock out of the way. Two starters may both find it stale: only the rename of the file that was judged may count. */
function takeAway(lock: string, judged: Holder | undefined): void {
  const aside = `${lock}.${process.pid}.${process.hrtime.bigint()}`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  const moved = read(aside);
  if (moved && JSON.stringify(moved) !== JSON.stringify(judged)) {
    // Somebody was faster and this is their lock: give it back, unless they were replaced in turn.
    try {
      createWhole(lock, moved);
    } catch {
      // A newer lock is there; it stands.
    }
  }
  rmSync(aside, { force: true });
}

/** Creates the lock with its content in one step, so that nobody ever sees it empty; throws EEXIST when it is there. */
function createWhole(lock: string, holder: Holder): void {
  const draft = `${lock}.${process.pid}.draft`;
  writeFileSync(draft, JSON.stringify(holder));
  try {
    linkSync(draft, lock);
  } finally {
    rmSync(draft, { force: true });
  }
}

function read(lock: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(lock, 'utf8')) as Holder;
    return Number.isSafeInteger(holder.pid) ? holder : undefined;
  } catch {
    // Missing, or spoilt by a power cut: nobody holds it.
    return undefined;
  }
}

function touch(lock: string): void {
  const now = new Date();
  try {
    utimesSync(lock, now, now);
  } catch {
    // The directory was removed under us; the stores will say so.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Field 22 of /proc/<pid>/stat with the boot it belongs to; `undefined` where there is no /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19] ?? ''}`;
  } catch {
    return undefined;
  }
}
