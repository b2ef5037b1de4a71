import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/*
 * LMDB maps its file into memory and trusts it: a file cut short does not fail to open but kills the process with SIGBUS at some
 * later read. So before opening, the two meta pages are looked at: layout of LMDB's MDB_meta after a page header of 24 bytes.
 */
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const META_END = 160;

/** Whether the file is one LMDB can open without dying of it, and was not found to be damaged while in use. */
export async function isSound(path: string): Promise<boolean> {
  return !existsSync(damageMark(path)) && (await flawOfLmdbFile(path)) === undefined;
}

/**
 * What is wrong with a file that LMDB would die of; nothing is with one that is missing or empty: LMDB makes it anew. The last pages of a file may
 * never have been written, when a transaction used them and gave them back: who cannot do without the file lets `slackPages` be missing.
 */
export async function flawOfLmdbFile(path: string, slackPages = 0): Promise<string | undefined> {
  if (!existsSync(path)) return undefined;
  const file = await open(path, 'r');
  try {
    if ((await file.stat()).size === 0) return undefined;
    const first = await readMeta(file, 0);
    const second = first && (await readMeta(file, first.pageSize));
    if (!first || !second) return 'its first pages are not those of an LMDB file';
    const newest = second.transaction > first.transaction ? second : first;
    const { size } = await file.stat();
    const least = (newest.lastPage + 1 - slackPages) * newest.pageSize;
    return size >= least ? undefined : `it is cut short: it has ${size} bytes of ${(newest.lastPage + 1) * newest.pageSize}`;
  } finally {
    await file.close();
  }
}

interface Meta {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly transaction: bigint;
}

async function readMeta(file: Awaited<ReturnType<typeof open>>, at: number): Promise<Meta | undefined> {
  const bytes = Buffer.alloc(META_END);
  const { bytesRead } = await file.read(bytes, 0, META_END, at);
  if (bytesRead < META_END || bytes.readUInt32LE(MAGIC_AT) !== MAGIC) return undefined;
  return {
    pageSize: bytes.readUInt32LE(PAGE_SIZE_AT),
    lastPage: Number(bytes.readBigUInt64LE(LAST_PAGE_AT)),
    transaction: bytes.readBigUInt64LE(TRANSACTION_AT),
  };
}

/** Its presence says that the file was found to be damaged while in use. */
export function damageMark(path: string): string {
  return `${path}.damaged`;
}

export async function makeRoomFor(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
}

/** Puts a damaged file aside for whoever wants to look at it; only the last one is kept. */
export async function moveAside(path: string): Promise<void> {
  if (existsSync(path)) await rename(path, `${path}.corrupt`);
  await removeFile(path);
}

export async function removeFile(path: string): Promise<void> {
  await Promise.all([path, `${path}-lock`, damageMark(path)].map((file) => rm(file, { force: true })));
}
