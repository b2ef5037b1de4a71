import { csvRows, parquetRows, type FileRows } from '@millrace/offline-store';
import { spineFault } from './spine-fault.js';
import type { SpineKey } from './spine-table.js';

export function parquetSpine(bytes: Buffer): FileRows {
  return parquetRows(bytes, spineFault);
}

/** Join keys get their types, and what is text or 64 bits of the request is kept as it is written. */
export function csvSpine(
  { keys, fields }: { readonly keys: readonly SpineKey[]; readonly fields: readonly SpineKey[] },
  bytes: Buffer,
): FileRows {
  const asText = new Set([...keys, ...fields.filter(({ type }) => type.kind !== 'number')].map(({ name }) => name));
  return csvRows(bytes, { asText, refuse: spineFault });
}
