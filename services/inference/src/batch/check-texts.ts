import { quoteIdentifier, type OfflineStore } from '@millrace/offline-store';
import { batchFault } from './batch-fault.js';
import type { StagedInput } from './job-input.js';

interface Found {
  readonly column: string;
  readonly row: string;
}

/** Bytes that are no text would be written as one all the same: Parquet's readers refuse the whole output for them. */
export async function checkTexts(
  store: Pick<OfflineStore, 'query'>,
  { table, columns }: StagedInput,
  kept: readonly string[],
): Promise<void> {
  const texts = columns.filter(({ name, type }) => kept.includes(name) && /^(Nullable\(|LowCardinality\()*String\b/.test(type));
  if (texts.length === 0) return;
  const others = texts.map(({ name }, index) => `countIf(NOT ifNull(isValidUTF8(${quoteIdentifier(name)}), 1)) AS n${index}`);
  const firsts = texts.map(({ name }, index) => `minIf(__row, NOT ifNull(isValidUTF8(${quoteIdentifier(name)}), 1)) AS r${index}`);
  const [counts] = await store.query<Record<string, string>>(`SELECT ${[...others, ...firsts].join(', ')} FROM ${table}`);
  const found = texts.flatMap(({ name }, index): Found[] =>
    Number(counts?.[`n${index}`]) > 0 ? [{ column: name, row: String(counts?.[`r${index}`]) }] : [],
  )[0];
  if (!found) return;
  throw batchFault(
    `column ${JSON.stringify(found.column)} has bytes in row ${found.row} that are not UTF-8, and the output has it as a text; ` +
      'leave it out of keep, or give it as hex or base64',
  );
}
