import { readFileSync } from 'node:fs';

/** What a process holds by itself (RssAnon), in bytes: heap, buffers and the database's own; files that are mapped are left out. */
export function anonymousBytes(pid: number): number {
  const found = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1]) * 1024;
}
