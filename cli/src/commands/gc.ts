import { exactJsonText } from '@millrace/kernel';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';

export interface GcOptions {
  readonly olderThan?: string;
  readonly runIds?: string;
  readonly experimentIds?: string;
  readonly dryRun?: boolean;
  readonly output: string;
}

interface Garbage {
  readonly runs: readonly string[];
  readonly experiments: readonly string[];
  readonly left: readonly string[];
  readonly notDeleted: readonly string[];
  readonly needed: readonly { readonly run: string; readonly by: readonly string[] }[];
}

/** Removing artifacts takes its time. */
const EXTRA_MS = 10 * 60_000;

/** Makes deletion final, or tells what that would give up. */
export async function gc(client: MillraceClient, io: Io, options: GcOptions): Promise<void> {
  const { olderThan, runIds, experimentIds, dryRun = false, output } = options;
  const body = exactJsonText({
    dryRun,
    ...(olderThan === undefined ? {} : { olderThan }),
    ...(runIds === undefined ? {} : { runIds: listOf(runIds) }),
    ...(experimentIds === undefined ? {} : { experimentIds: listOf(experimentIds) }),
  });
  const headers = { 'content-type': 'application/json' };
  const garbage = await client.json<Garbage>('POST', '/api/v1/runs/gc', { body, headers, extraTimeMs: EXTRA_MS });
  if (output === 'json') {
    io.out(`${exactJsonText(garbage, { indent: 2 })}\n`);
    return;
  }
  const verb = dryRun ? 'would go' : 'gone';
  for (const id of garbage.experiments) io.out(`experiment ${id} ${verb}\n`);
  for (const id of garbage.runs) io.out(`run ${id} ${verb}\n`);
  for (const uri of garbage.left) io.out(`left: ${uri} lies outside the server's artifact store; remove it there\n`);
  for (const { run, by } of garbage.needed) io.out(`run ${run} stays: ${by.join(', ')} ${by.length === 1 ? 'needs' : 'need'} its files\n`);
  for (const id of garbage.notDeleted) io.out(`${id} is not deleted, or not there\n`);
  io.out(`${garbage.runs.length} runs and ${garbage.experiments.length} experiments ${verb}\n`);
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
}
