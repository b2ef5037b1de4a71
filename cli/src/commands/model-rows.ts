import { exactJsonText } from '@millrace/kernel';
import { writeFile } from 'node:fs/promises';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import type { Io } from '../io.js';
import { rowsOfLog } from '../optimize/recorded-rows.js';

export interface ModelRowsOptions {
  readonly most: string;
  readonly to?: string;
  readonly label: string;
}

/** Writes the rows a model has answered, with its answers and the truth where it is known, one a line: what Python calibrates and distils with, and what `--rows` takes. */
export async function modelRows(client: MillraceClient, io: Io, name: string, { most, to, label }: ModelRowsOptions): Promise<void> {
  const count = Number(most);
  if (!(Number.isInteger(count) && count >= 1 && count <= 1e6))
    throw new CliError(`--most ${most} is not a number from 1 to 1000000`, EXIT.usage);
  const rows = await rowsOfLog(client, name, count, label);
  if (rows.length === 0) throw new CliError(`there are no rows of ${name} in the prediction log`, EXIT.found);
  const text = rows.map((row) => `${exactJsonText(row)}\n`).join('');
  if (to === undefined) {
    io.out(text);
    return;
  }
  try {
    await writeFile(to, text);
  } catch (cause) {
    throw new CliError(`--to ${to} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, { cause });
  }
  io.out(`${rows.length} rows of ${name} written to ${to}\n`);
}
