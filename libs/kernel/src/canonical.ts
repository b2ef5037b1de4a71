/**
 * One text per value: object keys, Map keys and Set members sorted, `-0` written as `0`, properties that are `undefined` left out.
 * For plain JSON it is JSON; what JSON cannot say is written in a form no JSON text has (`NaN`, `5n`, `Map[…]`), so two
 * values are equal iff their texts are. Digests of states and versions of definitions are taken over it.
 * Throws on what is not data (functions, symbols, dates, class instances that hide their content).
 */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? String(value === 0 ? 0 : value) : String(value);
    case 'bigint':
      return `${value.toString()}n`;
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'object':
      return value === null ? 'null' : canonicalObject(value);
    default:
      throw new TypeError(`a ${typeof value} is not data and has no canonical text`);
  }
}

function canonicalObject(value: object): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (ArrayBuffer.isView(value)) return `bytes(${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')})`;
  // By tag, not by `instanceof`: a value may come from another realm (Jest, a vm context).
  switch (Object.prototype.toString.call(value)) {
    case '[object Map]':
      return `Map[${[...(value as Map<unknown, unknown>)]
        .map(([key, item]) => `${canonical(key)}:${canonical(item)}`)
        .sort()
        .join(',')}]`;
    case '[object Set]':
      return `Set[${[...(value as Set<unknown>)].map(canonical).sort().join(',')}]`;
    case '[object Object]':
      return plainObject(value);
    default:
      throw new TypeError(`${Object.prototype.toString.call(value)} is not plain data and has no canonical text`);
  }
}

function plainObject(value: object): string {
  const keys = Object.keys(value).sort();
  const fields: string[] = [];
  for (const key of keys) {
    const item: unknown = (value as Record<string, unknown>)[key];
    if (item !== undefined) fields.push(`${JSON.stringify(key)}:${canonical(item)}`);
  }
  return `{${fields.join(',')}}`;
}
