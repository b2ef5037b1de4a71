/** ClickHouse's expression for a time column (an expression) of any kind in milliseconds since the epoch; `undefined`: the type holds no time. */
export function millisecondsOf(column: string, declared: string): string | undefined {
  const type = /^Nullable\((.*)\)$/.exec(declared)?.[1] ?? declared;
  if (type.startsWith('DateTime64')) return `toUnixTimestamp64Milli(toDateTime64(${column}, 3, 'UTC'))`;
  if (type.startsWith('DateTime')) return `toInt64(toUnixTimestamp(${column})) * 1000`;
  if (type === 'Date' || type === 'Date32') return `toInt64(toInt32(toDate32(${column}))) * 86400000`;
  if (type === 'String') return `toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(${column}, 3, 'UTC'))`;
  if (/^U?Int(8|16|32)$|^Int64$/.test(type)) return `toInt64(${column})`;
  // Null, and not a failure or another time, is what 64 bits do not hold: NaN, infinity, a number of more bits.
  if (/^U?Int\d+$/.test(type)) return `accurateCastOrNull(${column}, 'Int64')`;
  if (type.startsWith('Float')) return `accurateCastOrNull(trunc(${column}), 'Int64')`;
  return undefined;
}

/** A column's type without `LowCardinality`. */
export function unwrapped(type: string): string {
  return type.replace(/LowCardinality\(([^()]*(?:\([^()]*\))?[^()]*)\)/g, '$1');
}
