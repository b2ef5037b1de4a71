import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEvent } from '../events.js';

const SCHEMAS = join(import.meta.dirname, '../../../../schemas');

/** An event as a line of `schemas/` has it. */
export interface Sample {
  readonly type: string;
  readonly version: number;
  readonly data: unknown;
}

/** Compiles only when each of the two can stand for the other. */
export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

function lines(path: string): unknown[] {
  return readFileSync(join(SCHEMAS, path), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

/** Every golden sample of a domain: one line each of `<Event>/v<N>.golden.jsonl`. */
export function goldenSamples(domain: string): Sample[] {
  return readdirSync(join(SCHEMAS, domain), { recursive: true, encoding: 'utf8' })
    .map((path) => /^([A-Za-z]+)\/v(\d+)\.golden\.jsonl$/.exec(path))
    .filter((match) => match !== null)
    .flatMap(([file, type, version]) =>
      lines(join(domain, file)).map((data) => ({ type: type as string, version: Number(version), data })),
    );
}

/** The types of a domain's events, by name. */
export function eventTypes(domain: string): string[] {
  const entries = readdirSync(join(SCHEMAS, domain), { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() && /^[A-Z]/.test(entry.name) ? [entry.name] : [])).sort();
}

/** The aggregates that a domain has histories of, by name. */
export function aggregatesWithHistory(domain: string): string[] {
  return readdirSync(join(SCHEMAS, domain, 'histories'))
    .map((file) => file.replace(/\.jsonl$/, ''))
    .sort();
}

/** The events of one subject in order, as they were written: `{type, version, data}` a line of `histories/<aggregate>.jsonl`. */
export function historyLines(domain: string, aggregate: string): Sample[] {
  return lines(join(domain, 'histories', `${aggregate}.jsonl`)) as Sample[];
}

/** A history as a reader sees it: each event checked and lifted to its newest version. */
export function historyOf(domain: string, aggregate: string): { readonly type: string; readonly data: unknown }[] {
  return historyLines(domain, aggregate).map(({ type, version, data }) => {
    const read = readEvent(domain, type, version, data);
    if (!read.ok) throw new Error(read.reason);
    return { type, data: read.value };
  });
}
