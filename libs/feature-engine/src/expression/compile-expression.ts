import type { ColumnType, Value } from '../column-type.js';
import { parseEventTime } from '../event-time.js';
import { choose } from './choices.js';
import { expressionFault } from './expression-fault.js';
import {
  COLUMN_TYPE_OF,
  commonType,
  converter,
  finite,
  isNumeric,
  TYPE_WORDS,
  typeOfColumn,
  whole,
  within,
  type ExpressionType,
  type Scalar,
} from './expression-type.js';
import { FUNCTIONS } from './functions.js';
import { likePattern } from './like-pattern.js';
import { nearest } from './nearest.js';
import { COMPARE, COMPARE_MIXED, DOUBLE, LONG } from './operators.js';
import { parseExpression, type Node } from './parse-expression.js';

/** Where an expression's columns come from: one row, its values as the engine holds them. */
export interface ExpressionRow {
  value(column: number): Value;
}

export interface ExpressionColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** An expression, checked against its columns. */
export interface Expression {
  readonly text: string;
  readonly type: ExpressionType;
  /** In ClickHouse's words; `undefined` when it can be nothing but null. */
  readonly columnType: string | undefined;
  /** Indexes of the columns it reads, each once, ascending. */
  readonly columns: readonly number[];
  readonly evaluate: (row: ExpressionRow) => Scalar;
}

type Run = (row: ExpressionRow) => Scalar;

interface Typed {
  readonly type: ExpressionType;
  readonly run: Run;
}

/**
 * Checks an expression's names and types once, and makes it into closures: no `eval`, no loop, no state, no clock; the same row gives the same value
 * everywhere. `word` is what a message calls the names. Nulls are SQL's: an operation on null is null; `and`, `or` and `not` are three-valued. What has no value (a division by
 * zero, an overflow, the root of -1) is null. Throws `MR_FEATURES_EXPRESSION`, which tells the character.
 */
export function compileExpression(
  text: string,
  columns: readonly ExpressionColumn[],
  word: 'column' | 'feature' | 'input' = 'column',
): Expression {
  const compiler = new Compiler(text, columns, word);
  const { type, run } = compiler.compile(parseExpression(text));
  // A UInt64 that nothing was done with may be beyond its type, Int64, and so may the time asked for.
  const held = type === 'int64' ? whole : type === 'time' ? within : undefined;
  const used = [...compiler.used].sort((a, b) => a - b);
  const evaluate = held ? ofOne(run, (value) => held(value as never)) : run;
  return { text, type, columnType: type === 'null' ? undefined : COLUMN_TYPE_OF[type], columns: used, evaluate };
}

class Compiler {
  readonly used = new Set<number>();

  constructor(
    private readonly text: string,
    private readonly columns: readonly ExpressionColumn[],
    private readonly word: string,
  ) {}

  compile(node: Node): Typed {
    switch (node.kind) {
      case 'literal':
        return literal(node.value, node.isWhole);
      case 'column':
        return this.#column(node);
      case 'call':
        return this.#call(node);
      case 'negate':
        return this.#negate(node.operand, node.at);
      case 'not': {
        const run = this.#condition(node.operand);
        return { type: 'bool', run: (row) => negated(run(row)) };
      }
      case 'and':
      case 'or':
        return this.#chain(node.operands, node.kind === 'or');
      case 'compare':
        return this.#compare(node);
      case 'between':
        return this.#between(node);
      case 'arithmetic':
        return this.#arithmetic(node);
      case 'is-null': {
        const { run } = this.compile(node.operand);
        return { type: 'bool', run: (row) => run(row) === null };
      }
      case 'in':
        return this.#in(node);
      case 'like': {
        const { run, type } = this.compile(node.operand);
        if (type !== 'text') throw this.#fault(`like needs text, this is ${TYPE_WORDS[type]}`, node.operand);
        const matches = likePattern(node.pattern);
        return { type: 'bool', run: ofOne(run, (value) => matches(value as string)) };
      }
    }
  }

  #column({ name, isQuoted, at }: Extract<Node, { kind: 'column' }>): Typed {
    const index = this.columns.findIndex((column) => column.name === name);
    if (index < 0) {
      const names = this.columns.map((column) => column.name);
      const near = nearest(name, names);
      const longer = names.filter((other) => other.endsWith(`__${name}`));
      const hint =
        longer.length > 0
          ? `; write ${longer.join(' or ')}`
          : near !== undefined
            ? `; did you mean ${near}?`
            : isQuoted
              ? '; text is written in single quotes'
              : '';
      throw expressionFault(`there is no ${this.word} ${name}${hint}`, this.text, at);
    }
    this.used.add(index);
    const type = typeOfColumn((this.columns[index] as ExpressionColumn).type);
    if (type !== 'bool') return { type, run: (row) => row.value(index) };
    return {
      type,
      run: (row) => {
        const value = row.value(index);
        return value === null ? null : value === 1;
      },
    };
  }

  #negate(operand: Node, at: number): Typed {
    const { type, run } = this.compile(operand);
    if (!isNumeric(type)) throw expressionFault(`- needs a number, this is ${TYPE_WORDS[type]}`, this.text, at);
    return { type, run: ofOne(run, (value) => (typeof value === 'bigint' ? whole(-value) : -(value as number) + 0)) };
  }

  #condition(node: Node): Run {
    const { type, run } = this.compile(node);
    if (type !== 'bool' && type !== 'null') throw this.#fault(`a condition is needed here, this is ${TYPE_WORDS[type]}`, node);
    return run;
  }

  /** `and` ends at the first false, `or` at the first true; a null that nothing decides makes it null. */
  #chain(nodes: readonly Node[], decides: boolean): Typed {
    const runs = nodes.map((node) => this.#condition(node));
    return {
      type: 'bool',
      run: (row) => {
        let result: Scalar = !decides;
        for (const run of runs) {
          const value = run(row);
          if (value === decides) return decides;
          if (value === null) result = null;
        }
        return result;
      },
    };
  }

  #compare({ operator, left, right, at }: Extract<Node, { kind: 'compare' }>): Typed {
    const { a, b, compare } = this.#comparison(this.compile(left), { operator, left, right, at });
    if (right.kind !== 'literal') return { type: 'bool', run: ofTwo(a.run, b.run, compare) };
    const value = b.run(NO_ROW) as Exclude<Scalar, null>;
    return { type: 'bool', run: ofOne(a.run, (x) => compare(x, value)) };
  }

  /** Both bounds as comparisons joined by `and`. The operand is made and computed once: each level of nesting would double what it costs. */
  #between({ operand, low, high, at }: Extract<Node, { kind: 'between' }>): Typed {
    const of = this.compile(operand);
    const bounds = [
      this.#comparison(of, { operator: '>=', left: operand, right: low, at }),
      this.#comparison(of, { operator: '<=', left: operand, right: high, at }),
    ];
    return {
      type: 'bool',
      run: (row) => {
        const value = of.run(row);
        let result: Scalar = true;
        for (const { a, b, compare } of bounds) {
          const left = a === of ? value : a.run(row);
          const bound = left === null ? null : b.run(row);
          if (left === null || bound === null) result = null;
          else if (!compare(left, bound)) return false;
        }
        return result;
      },
    };
  }

  /** Both sides of a comparison, the left one compiled already, and what compares their values. */
  #comparison(compiled: Typed, { operator, left, right, at }: Omit<Extract<Node, { kind: 'compare' }>, 'kind'>) {
    for (const side of [left, right]) {
      if (side.kind === 'literal' && side.value === null) {
        throw this.#fault(`nothing is ${operator} null; write is null or is not null`, side);
      }
    }
    const [a, b] = this.#pair(compiled, left, right);
    const isComparable = a.type === b.type || (isNumeric(a.type) && isNumeric(b.type));
    if (!isComparable) throw expressionFault(`cannot compare ${TYPE_WORDS[a.type]} with ${TYPE_WORDS[b.type]}`, this.text, at);
    const isOrdered = operator !== '=' && operator !== '!=';
    if (a.type === 'bool' && isOrdered) throw expressionFault('true and false have no order', this.text, at);
    return { a, b, compare: (a.type === 'int64') === (b.type === 'int64') ? COMPARE[operator] : COMPARE_MIXED[operator] };
  }

  /** Both sides; a text literal beside a time is read as one. */
  #pair(a: Typed, left: Node, right: Node): [Typed, Typed] {
    const b = this.compile(right);
    if (a.type === 'time' && b.type === 'text') return [a, this.#time(right)];
    if (a.type === 'text' && b.type === 'time') return [this.#time(left), b];
    return [a, b];
  }

  #time(node: Node): Typed {
    if (node.kind !== 'literal') throw this.#fault('text is no time; only a literal is read as one', node);
    const time = parseEventTime(node.value);
    if (time === undefined) throw this.#fault(`${JSON.stringify(node.value)} is no time, as '2001-01-31 12:00:00' is`, node);
    return { type: 'time', run: () => time };
  }

  #arithmetic({ operator, left, right, at }: Extract<Node, { kind: 'arithmetic' }>): Typed {
    const a = this.compile(left);
    const b = this.compile(right);
    if (operator === '||') {
      for (const [side, node] of [[a, left] as const, [b, right] as const]) {
        if (side.type !== 'text') throw this.#fault(`|| joins texts, this is ${TYPE_WORDS[side.type]}; write to_text(...)`, node);
      }
      return { type: 'text', run: ofTwo(a.run, b.run, (x, y) => (x as string) + (y as string)) };
    }
    if (a.type === 'time' && b.type === 'time' && operator === '-')
      return { type: 'int', run: ofTwo(a.run, b.run, (x, y) => (x as number) - (y as number)) };
    if (a.type === 'time' && b.type === 'int' && (operator === '+' || operator === '-')) {
      return { type: 'time', run: ofTwo(a.run, b.run, (x, y) => within(DOUBLE[operator](x as number, y as number))) };
    }
    if (!isNumeric(a.type) || !isNumeric(b.type)) {
      const hint = a.type === 'text' || b.type === 'text' ? '; texts are joined by ||' : '';
      throw expressionFault(`${operator} cannot take ${TYPE_WORDS[a.type]} and ${TYPE_WORDS[b.type]}${hint}`, this.text, at);
    }
    if (operator === '/') return { type: 'float', run: ofTwo(a.run, b.run, (x, y) => finite(Number(x) / Number(y))) };
    const type = commonType(a.type, b.type) as ExpressionType;
    const [x, y] = [converted(a, type), converted(b, type)];
    if (type === 'int64') return { type, run: ofTwo(x, y, (p, q) => LONG[operator](p as bigint, q as bigint)) };
    const round = type === 'int' ? whole : finite;
    const apply = DOUBLE[operator];
    return { type, run: ofTwo(x, y, (p, q) => round(apply(p as number, q as number))) };
  }

  #in({ operand, items }: Extract<Node, { kind: 'in' }>): Typed {
    const of = this.compile(operand);
    const values = items.map((item) => {
      if (item.kind !== 'literal' || item.value === null) throw this.#fault('the items of in are literals and not null', item);
      const typed = of.type === 'time' && typeof item.value === 'string' ? this.#time(item) : literal(item.value, item.isWhole);
      if (typed.type !== of.type && !(isNumeric(typed.type) && isNumeric(of.type)))
        throw this.#fault(`cannot compare ${TYPE_WORDS[of.type]} with ${TYPE_WORDS[typed.type]}`, item);
      const value = typed.run(NO_ROW);
      // A set compares by type, and 5 is 5n: what an Int64 is compared with becomes one where it can.
      return of.type === 'int64' && typeof value === 'number' && Number.isSafeInteger(value)
        ? BigInt(value)
        : of.type === 'float' && typeof value === 'bigint' && BigInt(Number(value)) === value
          ? Number(value)
          : value;
    });
    const set = new Set(values);
    return { type: 'bool', run: ofOne(of.run, (value) => set.has(value)) };
  }

  #call(node: Extract<Node, { kind: 'call' }>): Typed {
    const { name, operands, at } = node;
    if (name === 'if' || name === 'coalesce' || name === 'least' || name === 'greatest' || name === 'nullif') return this.#choice(node);
    const of = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (!of) {
      const near = nearest(name, [...Object.keys(FUNCTIONS), 'if', 'coalesce', 'least', 'greatest', 'nullif']);
      throw expressionFault(`there is no function ${name}${near === undefined ? '' : `; did you mean ${near}?`}`, this.text, at);
    }
    const typed = operands.map((operand) => this.compile(operand));
    const type = of.type(typed.map((operand) => operand.type));
    if (type === undefined) {
      const given = typed.map((operand) => TYPE_WORDS[operand.type]).join(', ') || 'nothing';
      throw expressionFault(`${name} takes ${of.usage}, here it is given ${given}`, this.text, at);
    }
    const runs = typed.map((operand) => operand.run);
    const apply = of.run;
    return {
      type,
      run: (row) => {
        const values: Exclude<Scalar, null>[] = [];
        for (const run of runs) {
          const value = run(row);
          if (value === null) return null;
          values.push(value);
        }
        return apply(values);
      },
    };
  }

  /** Functions whose operands all have one type, and which look at nulls themselves. */
  #choice({ name, operands, at }: Extract<Node, { kind: 'call' }>): Typed {
    const fits = name === 'if' ? operands.length === 3 : name === 'nullif' ? operands.length === 2 : operands.length > 0;
    const usage = name === 'if' ? 'if(condition, then, otherwise)' : name === 'nullif' ? 'nullif(value, other)' : `${name}(value, ...)`;
    if (!fits) throw expressionFault(`${name} is written ${usage}`, this.text, at);
    const condition = name === 'if' ? this.#condition(operands[0] as Node) : undefined;
    const nodes = name === 'if' ? operands.slice(1) : operands;
    const typed = nodes.map((node) => this.compile(node));
    let type: ExpressionType = 'null';
    for (const [index, operand] of typed.entries()) {
      const common = commonType(type, operand.type);
      if (common === undefined)
        throw this.#fault(`${name} cannot take ${TYPE_WORDS[operand.type]} beside ${TYPE_WORDS[type]}`, nodes[index] as Node);
      type = common;
    }
    if ((name === 'least' || name === 'greatest') && type === 'bool') throw expressionFault('true and false have no order', this.text, at);
    const runs = typed.map((operand) => converted(operand, type));
    return { type, run: choose(name, condition, runs) };
  }

  #fault(problem: string, node: Node): Error {
    return expressionFault(problem, this.text, node.at);
  }
}

const NO_ROW: ExpressionRow = { value: () => null };

function literal(value: Scalar, isWhole: boolean): Typed {
  if (value === null) return { type: 'null', run: () => null };
  const type =
    typeof value === 'string'
      ? 'text'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value === 'bigint'
          ? 'int64'
          : isWhole
            ? 'int'
            : 'float';
  return { type, run: () => value };
}

function ofOne(run: Run, apply: (value: Exclude<Scalar, null>) => Scalar): Run {
  return (row) => {
    const value = run(row);
    return value === null ? null : apply(value);
  };
}

function ofTwo(left: Run, right: Run, apply: (a: Exclude<Scalar, null>, b: Exclude<Scalar, null>) => Scalar): Run {
  return (row) => {
    const a = left(row);
    if (a === null) return null;
    const b = right(row);
    return b === null ? null : apply(a, b);
  };
}

function negated(value: Scalar): Scalar {
  return value === null ? null : value === false;
}

function converted({ type, run }: Typed, to: ExpressionType): Run {
  const convert = converter(type, to);
  return convert ? (row) => convert(run(row)) : run;
}
