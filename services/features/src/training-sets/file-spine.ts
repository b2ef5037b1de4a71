import { csvRows, parquetRows, type FileRows } from '@millrace/offline-store';
import { isBlank } from './csv-cells.js';
import { spineFault } from './spine-fault.js';
import type { SpineKey } from './spine-table.js';

export function parquetSpine(bytes: Buffer): FileRows {
  const file = parquetRows(bytes, spineFault);
  const [nested] = file.nested;
  if (nested !== undefined) throw spineFault(`column ${nested} of the Parquet file is nested; only flat columns are read`);
  return file;
}

/** Join keys get their types, and what is text or 64 bits of the request is kept as it is written. */
export function csvSpine(
  { keys, fields }: { readonly keys: readonly SpineKey[]; readonly fields: readonly SpineKey[] },
  bytes: Buffer,
): FileRows {
  const asText = new Set([...keys, ...fields.filter(({ type }) => type.kind !== 'number')].map(({ name }) => name));
  const rows = csvRows(bytes, { asText, refuse: spineFault });
  if (isBlank(rows.bytes)) throw spineFault('the spine has no rows: the CSV file ends with its header');
  return rows;
}
