// Markdown from texts that were not written as Markdown.

/** A GFM table. Cells are Markdown already; only what would end a cell is escaped. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A text as Markdown: code between backticks stays code, `<aggregate>/<id>` becomes code and not HTML, `*` does not become emphasis. */
export function inline(text) {
  return text
    .split(/(`[^`]*`)/)
    .map((part, index) => (index % 2 === 1 ? part : prose(part)))
    .join('');
}

function prose(text) {
  return text
    .split(/([^\s,;]*<[^<>]+>[^\s,;.]*)/)
    .map((part, index) => (index % 2 === 1 ? code(part) : part.replaceAll('<', '&lt;').replace(/[*_]/g, '\\$&')))
    .join('');
}

export function code(value) {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** A text as a sentence: a capital at its beginning, a full stop at its end. */
export function sentence(text) {
  if (text === '') return '';
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?:]$/.test(text) ? '' : '.'}`;
}
