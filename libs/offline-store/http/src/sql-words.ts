/** A word of a canonical statement: a name (quoted or not), a placeholder, or a mark. Strings and numbers are left out. */
export interface SqlWord {
  readonly kind: 'name' | 'placeholder' | 'mark';
  readonly text: string;
  readonly quoted?: boolean;
}

const PATTERN = /'(?:[^'\\]|\\[\s\S])*'|`((?:[^`\\]|\\[\s\S])*)`|\{([A-Za-z_]\w*):([^}]*)\}|([A-Za-z_][\w$]*)|\d[\w.]*|(\S)/gu;

/**
 * The words of a statement as ClickHouse's own formatter writes it: no comments, no heredocs, one form of quotes. Only for such text;
 * reading what people type takes ClickHouse's lexer.
 */
export function sqlWords(canonical: string): SqlWord[] {
  const words: SqlWord[] = [];
  for (const [text, quoted, placeholder, type, name, mark] of canonical.matchAll(PATTERN)) {
    if (quoted !== undefined) words.push({ kind: 'name', text: quoted, quoted: true });
    else if (placeholder !== undefined) words.push({ kind: 'placeholder', text: `${placeholder}:${type ?? ''}` });
    else if (name !== undefined) words.push({ kind: 'name', text: name });
    else if (mark !== undefined) words.push({ kind: 'mark', text: mark });
    else if (text.startsWith("'")) words.push({ kind: 'mark', text: "''" });
  }
  return words;
}

/** Settings of all `SETTINGS a = 1, b = 'x'` clauses of a canonical statement. */
export function settingsClauses(canonical: string): Record<string, string> {
  const settings: Record<string, string> = {};
  const bare = /'(?:[^'\\]|\\[\s\S])*'|`(?:[^`\\]|\\[\s\S])*`|\bSETTINGS\b/gu;
  const pair = /\s*([A-Za-z_]\w*) = ('(?:[^'\\]|\\[\s\S])*'|[-\w.]+)(,?)/uy;
  for (const clause of canonical.matchAll(bare)) {
    if (clause[0] !== 'SETTINGS') continue;
    pair.lastIndex = clause.index + clause[0].length;
    for (let found = pair.exec(canonical); found; found = pair.exec(canonical)) {
      settings[found[1] as string] = unquoted(found[2] as string);
      if (found[3] === '') break;
    }
  }
  return settings;
}

function unquoted(literal: string): string {
  if (!literal.startsWith("'")) return literal;
  return literal.slice(1, -1).replace(/\\([\s\S])/gu, (_, escaped: string) => ({ n: '\n', t: '\t', r: '\r' })[escaped] ?? escaped);
}
