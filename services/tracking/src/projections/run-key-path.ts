/** Runs of one kind use the same few keys again and again. */
const MOST_REMEMBERED = 10_000;
const remembered = new Map<string, string>();

/**
 * The path of a param, tag or metric in its JSON column of `millrace.run_states`. ClickHouse reads a dot as a step into an object and
 * some signs as parts of its own notation; they are written as in a URL, so that a key is one step whatever it is called.
 */
export function runKeyPath(key: string): string {
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const path = key.replace(/[^\p{L}\p{N}_\- /]/gu, percentEncoded);
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  remembered.set(key, path);
  return path;
}

function percentEncoded(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}
