import { csvRows, parquetRows, type FileRows } from '@millrace/offline-store';
import { isBlank } from './csv-cells.js';
import { checkColumnNames, spineFault } from './spine-fault.js';
import type { SpineKey } from './spine-table.js';

export function parquetSpine(bytes: Buffer): FileRows {
  const file = parquetRows(bytes, spineFault);
  const [nested] = file.nested;
  if (nested !== undefined) throw spineFault(`column ${nested} of the Parquet file is nested; only flat columns are read`);
  checkColumnNames(file.columns);
  return file;
}

/** Join keys and what is text or 64 bits of the request are kept as they are written; whole numbers that join keys are keep all their digits as numbers too. */
export function csvSpine(
  { keys, fields }: { readonly keys: readonly SpineKey[]; readonly fields: readonly SpineKey[] },
  bytes: Buffer,
): FileRows {
  const names = (columns: readonly SpineKey[]): Set<string> => new Set(columns.map(({ name }) => name));
  const asText = names([...keys.filter(({ type }) => !type.isInteger), ...fields.filter(({ type }) => type.kind !== 'number')]);
  const rows = csvRows(bytes, { asText, asWhole: names(keys), refuse: spineFault });
  if (isBlank(rows.bytes)) throw spineFault('the spine has no rows: the CSV file ends with its header');
  return rows;
}
