/** ClickHouse's expression for a time column (an expression) of any kind in milliseconds since the epoch; `undefined`: the type holds no time. */
export function millisecondsOf(column: string, declared: string): string | undefined {
  const type = /^Nullable\((.*)\)$/.exec(declared)?.[1] ?? declared;
  if (type.startsWith('DateTime64')) return `toUnixTimestamp64Milli(toDateTime64(${column}, 3, 'UTC'))`;
  if (type.startsWith('DateTime')) return `toInt64(toUnixTimestamp(${column})) * 1000`;
  if (type === 'Date' || type === 'Date32') return `toInt64(toInt32(toDate32(${column}))) * 86400000`;
  if (type === 'String') return `toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(${column}, 3, 'UTC'))`;
  if (/^U?Int\d+$|^Float/.test(type)) return `toInt64(${column})`;
  return undefined;
}

/** A column's type without `LowCardinality`. */
export function unwrapped(type: string): string {
  return type.replace(/LowCardinality\(([^()]*(?:\([^()]*\))?[^()]*)\)/g, '$1');
}
