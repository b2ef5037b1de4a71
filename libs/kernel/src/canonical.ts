/**
 * One text per value: object keys, Map keys and Set members sorted, `-0` written as `0`, NaN and infinities by name.
 * Two states are equal iff their texts are; digests of states and definitions are taken over it.
 */
export function canonical(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? JSON.stringify(value === 0 ? 0 : value) : `"${String(value)}"`;
    case 'bigint':
      return `"${value.toString()}n"`;
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    default:
      return canonicalObject(value);
  }
}

function canonicalObject(value: object): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value instanceof Map)
    return `{"$map":[${[...value]
      .map(([key, item]) => `[${canonical(key)},${canonical(item)}]`)
      .sort()
      .join(',')}]}`;
  if (value instanceof Set) return `{"$set":[${[...value].map(canonical).sort().join(',')}]}`;
  if (ArrayBuffer.isView(value)) return `"$bytes:${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}"`;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}
