import { expressionFault } from './expression-fault.js';

export interface Token {
  readonly kind: 'number' | 'text' | 'word' | 'name' | 'symbol' | 'end';
  /** As it stands; of a text or a quoted name what is between the quotes. */
  readonly text: string;
  /** First character in the expression. */
  readonly at: number;
}

/** Longer ones are programs, and those belong into the producer. */
export const LONGEST_EXPRESSION = 4_000;

const SPACE = /\s+/y;
const NUMBER = /(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const SYMBOL = /<>|<=|>=|!=|==|\|\||[-+*/%=<>(),]/y;

/** Cuts an expression into tokens. `'text'` with `''` for a quote in it; `"name"` for a column that is called like a word of the language. */
export function tokenize(text: string): Token[] {
  if (text.length > LONGEST_EXPRESSION)
    throw expressionFault(`the expression is longer than ${LONGEST_EXPRESSION} characters`, text, LONGEST_EXPRESSION);
  const tokens: Token[] = [];
  const take = (pattern: RegExp, at: number): string => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0] ?? '';
  };
  for (let at = 0; at < text.length;) {
    const blank = take(SPACE, at).length;
    if (blank > 0) {
      at += blank;
      continue;
    }
    const first = text[at] as string;
    if (first === "'" || first === '"') {
      const { value, end } = quoted(text, at, first);
      tokens.push({ kind: first === "'" ? 'text' : 'name', text: value, at });
      at = end;
      continue;
    }
    const number = take(NUMBER, at);
    const word = number === '' ? take(WORD, at) : '';
    const found = number || word || take(SYMBOL, at);
    if (found === '') throw expressionFault(`${JSON.stringify(first)} is not a part of the language`, text, at);
    if (number !== '' && take(WORD, at + number.length) !== '') throw expressionFault('a number runs into a word', text, at);
    tokens.push({ kind: number !== '' ? 'number' : word !== '' ? 'word' : 'symbol', text: found, at });
    at += found.length;
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function quoted(text: string, from: number, quote: string): { value: string; end: number } {
  let value = '';
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] !== quote) value += text[at] as string;
    else if (text[at + 1] === quote) value += text[at++] as string;
    else return { value, end: at + 1 };
  }
  throw expressionFault(`a ${quote} is never closed`, text, from);
}
