import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
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

/** Whether the file is one LMDB can open without dying of it. A missing or empty file is: LMDB makes it anew. */
export async function isSound(path: string): Promise<boolean> {
  if (existsSync(damageMark(path))) return false;
  if (!existsSync(path)) return true;
  const { size } = await stat(path);
  if (size === 0) return true;
  const file = await open(path, 'r');
  try {
    const first = await readMeta(file, 0);
    if (!first) return false;
    const second = await readMeta(file, first.pageSize);
    if (!second) return false;
    const newest = second.transaction > first.transaction ? second : first;
    return size >= (newest.lastPage + 1) * newest.pageSize;
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
