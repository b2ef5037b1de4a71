/**
 * A text of JSON on one line, otherwise as it was written: every digit of its numbers, every key though it comes twice, and their order, which
 * `JSON.parse` and `JSON.stringify` would not keep. It has to be JSON.
 */
export function compactJson(text: string): string {
  // Line ends are never inside the strings of JSON, and most records have no space outside them.
  if (!/[\s]/.test(text)) return text;
  let compact = '';
  let from = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      compact += text.slice(from, at);
      from = ++at;
    } else at++;
  }
  return compact + text.slice(from);
}

function endOfString(text: string, quote: number): number {
  for (let at = quote + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at + 1;
  }
  return text.length;
}
