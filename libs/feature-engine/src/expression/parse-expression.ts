import { expressionFault } from './expression-fault.js';
import { tokenize, type Token } from './tokens.js';

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';
export type Arithmetic = '+' | '-' | '*' | '/' | '%' | '||';

/** What was written. `at`: the character that a message about it points to. */
export type Node =
  | { readonly kind: 'literal'; readonly value: number | bigint | string | boolean | null; readonly isWhole: boolean; readonly at: number }
  | { readonly kind: 'column'; readonly name: string; readonly isQuoted: boolean; readonly at: number }
  | { readonly kind: 'call'; readonly name: string; readonly operands: readonly Node[]; readonly at: number }
  | { readonly kind: 'negate' | 'not'; readonly operand: Node; readonly at: number }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Node[]; readonly at: number }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: Node; readonly right: Node; readonly at: number }
  | { readonly kind: 'arithmetic'; readonly operator: Arithmetic; readonly left: Node; readonly right: Node; readonly at: number }
  | { readonly kind: 'between'; readonly operand: Node; readonly low: Node; readonly high: Node; readonly at: number }
  | { readonly kind: 'is-null'; readonly operand: Node; readonly at: number }
  | { readonly kind: 'in'; readonly operand: Node; readonly items: readonly Node[]; readonly at: number }
  | { readonly kind: 'like'; readonly operand: Node; readonly pattern: string; readonly at: number };

/** Deeper nesting is a mistake or an attack on the stack. */
const DEEPEST = 60;
const MOST_ITEMS = 500;
/** Matching may take the product of the pattern's and the text's lengths. */
const LONGEST_PATTERN = 200;
const WORDS = new Set(['and', 'or', 'not', 'is', 'in', 'like', 'between', 'null', 'true', 'false']);
const COMPARISONS: Readonly<Record<string, Comparison>> = {
  '=': '=',
  '==': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};

/** Parses an expression in SQL's words. Precedence, weakest first: or, and, not, comparisons, + - ||, * / %, unary -. */
export function parseExpression(text: string): Node {
  return new Parser(text).whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(private readonly text: string) {
    this.#tokens = tokenize(text);
  }

  whole(): Node {
    if (this.#peek().kind === 'end') throw this.#fault('the expression is empty', this.#peek());
    const node = this.#or();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw this.#fault(`${show(rest)} was not expected here`, rest);
    return node;
  }

  #or(): Node {
    return this.#chain('or', () => this.#chain('and', () => this.#not()));
  }

  #chain(word: 'and' | 'or', operand: () => Node): Node {
    const first = operand();
    const operands = [first];
    let at = first.at;
    while (this.#isWord(word)) {
      at = this.#take().at;
      operands.push(operand());
    }
    return operands.length === 1 ? first : { kind: word, operands, at };
  }

  #not(): Node {
    if (!this.#isWord('not')) return this.#comparison();
    const { at } = this.#take();
    return this.#nested(at, () => ({ kind: 'not', operand: this.#not(), at }));
  }

  #comparison(): Node {
    const left = this.#sum();
    const token = this.#peek();
    const operator = token.kind === 'symbol' ? COMPARISONS[token.text] : undefined;
    if (operator) {
      this.#take();
      const right = this.#sum();
      const again = this.#peek();
      if (again.kind === 'symbol' && COMPARISONS[again.text]) throw this.#fault('comparisons do not chain; join them with and', again);
      return { kind: 'compare', operator, left, right, at: token.at };
    }
    if (this.#isWord('is')) {
      const { at } = this.#take();
      const negated = this.#skipWord('not');
      if (!this.#skipWord('null')) throw this.#fault('after is comes null or not null', this.#peek());
      return negate({ kind: 'is-null', operand: left, at }, negated);
    }
    const negated = this.#isWord('not') && ['in', 'like', 'between'].includes(this.#tokens[this.#next + 1]?.text.toLowerCase() ?? '');
    if (negated) this.#take();
    if (this.#isWord('in')) return negate(this.#in(left), negated);
    if (this.#isWord('like')) {
      const { at } = this.#take();
      const pattern = this.#take();
      if (pattern.kind !== 'text') throw this.#fault("like needs a pattern in single quotes, such as 'A%'", pattern);
      if (pattern.text.length > LONGEST_PATTERN) throw this.#fault(`a pattern has at most ${LONGEST_PATTERN} characters`, pattern);
      return negate({ kind: 'like', operand: left, pattern: pattern.text, at }, negated);
    }
    if (this.#isWord('between')) {
      const { at } = this.#take();
      const low = this.#sum();
      if (!this.#skipWord('and')) throw this.#fault('between needs two bounds: between a and b', this.#peek());
      const high = this.#sum();
      return negate({ kind: 'between', operand: left, low, high, at }, negated);
    }
    return left;
  }

  #in(operand: Node): Node {
    const { at } = this.#take();
    this.#expect('(', 'in needs a list: in (1, 2)');
    const items = this.#list();
    if (items.length === 0) throw this.#fault('the list is empty', this.#peek());
    return { kind: 'in', operand, items, at };
  }

  #sum(): Node {
    return this.#leftToRight(['+', '-', '||'], () => this.#leftToRight(['*', '/', '%'], () => this.#unary()));
  }

  #leftToRight(operators: readonly string[], operand: () => Node): Node {
    let left = operand();
    for (let count = 0; this.#peek().kind === 'symbol' && operators.includes(this.#peek().text); count++) {
      const { text, at } = this.#take();
      if (count === MOST_ITEMS) throw expressionFault(`more than ${MOST_ITEMS} terms`, this.text, at);
      left = { kind: 'arithmetic', operator: text as Arithmetic, left, right: operand(), at };
    }
    return left;
  }

  #unary(): Node {
    const token = this.#peek();
    if (token.kind !== 'symbol' || token.text !== '-') return this.#primary();
    this.#take();
    const number = this.#peek();
    // So that the least Int64 can be written.
    if (number.kind === 'number') return numberLiteral(this.text, `-${this.#take().text}`, token.at);
    return this.#nested(token.at, () => ({ kind: 'negate', operand: this.#unary(), at: token.at }));
  }

  #primary(): Node {
    const token = this.#take();
    const { at } = token;
    switch (token.kind) {
      case 'number':
        return numberLiteral(this.text, token.text, at);
      case 'text':
        return { kind: 'literal', value: token.text, isWhole: false, at };
      case 'name':
        return { kind: 'column', name: token.text, isQuoted: true, at };
      case 'word':
        return this.#word(token);
      case 'symbol':
        if (token.text !== '(') break;
        return this.#nested(at, () => {
          const inner = this.#or();
          this.#expect(')', 'a ( is never closed');
          return inner;
        });
      case 'end':
        throw this.#fault('the expression ends where a value was expected', token);
    }
    throw this.#fault(`${show(token)} stands where a value was expected`, token);
  }

  #word(token: Token): Node {
    const { at } = token;
    const word = token.text.toLowerCase();
    if (word === 'null') return { kind: 'literal', value: null, isWhole: false, at };
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true', isWhole: false, at };
    if (WORDS.has(word)) throw this.#fault(`${show(token)} stands where a value was expected`, token);
    if (this.#peek().kind !== 'symbol' || this.#peek().text !== '(') return { kind: 'column', name: token.text, isQuoted: false, at };
    this.#take();
    return this.#nested(at, () => ({ kind: 'call', name: word, operands: this.#list(), at }));
  }

  /** Items up to the closing bracket, whose opening one has been taken. */
  #list(): Node[] {
    const items: Node[] = [];
    if (this.#isSymbol(')')) {
      this.#take();
      return items;
    }
    for (;;) {
      items.push(this.#or());
      const token = this.#take();
      if (token.kind === 'symbol' && token.text === ')') return items;
      if (token.kind !== 'symbol' || token.text !== ',') throw this.#fault('a , or ) was expected', token);
      if (items.length === MOST_ITEMS) throw this.#fault(`more than ${MOST_ITEMS} items`, token);
    }
  }

  #nested(at: number, parse: () => Node): Node {
    if (++this.#depth > DEEPEST) throw expressionFault(`nested deeper than ${DEEPEST} levels`, this.text, at);
    const node = parse();
    this.#depth--;
    return node;
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#next++;
    return token;
  }

  #isWord(word: string): boolean {
    const token = this.#peek();
    return token.kind === 'word' && token.text.toLowerCase() === word;
  }

  #skipWord(word: string): boolean {
    if (!this.#isWord(word)) return false;
    this.#take();
    return true;
  }

  #isSymbol(symbol: string): boolean {
    const token = this.#peek();
    return token.kind === 'symbol' && token.text === symbol;
  }

  #expect(symbol: string, otherwise: string): void {
    if (!this.#isSymbol(symbol)) throw this.#fault(otherwise, this.#peek());
    this.#take();
  }

  #fault(problem: string, token: Token): Error {
    return expressionFault(problem, this.text, token.at);
  }
}

function negate(operand: Node, negated: boolean): Node {
  return negated ? { kind: 'not', operand, at: operand.at } : operand;
}

function numberLiteral(text: string, digits: string, at: number): Node {
  const isWhole = /^-?\d+$/.test(digits);
  const value = Number(digits) + 0;
  if (!Number.isFinite(value)) throw expressionFault('the number is larger than Float64 can hold', text, at);
  if (!isWhole || Number.isSafeInteger(value)) return { kind: 'literal', value, isWhole, at };
  const long = BigInt(digits);
  if (BigInt.asIntN(64, long) !== long) throw expressionFault('the whole number is larger than Int64 can hold', text, at);
  return { kind: 'literal', value: long, isWhole, at };
}

function show(token: Token): string {
  return token.kind === 'end' ? 'the end' : JSON.stringify(token.text);
}
