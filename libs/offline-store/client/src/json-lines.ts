const NEWLINE = 0x0a;

/** Rows as JSONEachRow lines. */
export function jsonLines(rows: readonly object[]): Buffer {
  let text = '';
  for (const row of rows) text += `${JSON.stringify(row)}\n`;
  return Buffer.from(text);
}

/** Reads JSONEachRow lines. Parsed as one array: one call for all lines instead of one each. */
export function parseLines<Row>(bytes: Buffer): Row[] {
  if (bytes.length === 0) return [];
  const text = bytes.toString('utf8').trimEnd();
  return text === '' ? [] : (JSON.parse(`[${text.replaceAll('\n', ',')}]`) as Row[]);
}

/** Rows of chunks that may end in the middle of a line. */
export async function* splitLines<Row>(chunks: AsyncIterable<Buffer>): AsyncGenerator<Row> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    yield* parseLines<Row>(bytes.subarray(0, end));
    rest = bytes.subarray(end);
  }
  yield* parseLines<Row>(rest);
}
