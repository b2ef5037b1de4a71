import { finite, isNumeric, whole, type ExpressionType, type Scalar } from './expression-type.js';

export interface ExpressionFunction {
  /** What it takes, as a message tells it. */
  readonly usage: string;
  /** The result's type for operands of these types; `undefined` when it does not take them. */
  readonly type: (operands: readonly ExpressionType[]) => ExpressionType | undefined;
  /** Never called with a null among the operands: then the result is null. */
  readonly run: (operands: readonly Exclude<Scalar, null>[]) => Scalar;
}

type Taken = 'number' | 'text' | 'time' | 'any';

function takes(operands: readonly ExpressionType[], taken: readonly Taken[], optional = 0): boolean {
  if (operands.length > taken.length || operands.length < taken.length - optional) return false;
  return operands.every((type, index) => {
    const wanted = taken[index] as Taken;
    return type === 'null' || wanted === 'any' || (wanted === 'number' ? isNumeric(type) : type === wanted);
  });
}

function fixed(
  usage: string,
  taken: readonly Taken[],
  result: ExpressionType,
  run: ExpressionFunction['run'],
  optional = 0,
): ExpressionFunction {
  return { usage, type: (operands) => (takes(operands, taken, optional) ? result : undefined), run };
}

/** Of one number, keeping whole numbers whole. */
function ofNumber(usage: string, ofDouble: (value: number) => number, ofLong: (value: bigint) => bigint): ExpressionFunction {
  return {
    usage,
    type: (operands) => (takes(operands, ['number']) ? (operands[0] === 'null' ? 'float' : operands[0]) : undefined),
    run: ([value]) => (typeof value === 'bigint' ? whole(ofLong(value)) : finite(ofDouble(value as number))),
  };
}

const same = (value: bigint): bigint => value;
const double = (usage: string, of: (value: number) => number): ExpressionFunction =>
  fixed(usage, ['number'], 'float', ([value]) => finite(of(Number(value))));
const onText = (usage: string, of: (value: string) => string): ExpressionFunction =>
  fixed(usage, ['text'], 'text', ([value]) => of(value as string));
const onTexts = (usage: string, of: (value: string, other: string) => boolean): ExpressionFunction =>
  fixed(usage, ['text', 'text'], 'bool', ([value, other]) => of(value as string, other as string));

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const onTime = (usage: string, of: (time: number) => number): ExpressionFunction =>
  fixed(usage, ['time'], 'int', ([time]) => of(time as number));
const modulo = (value: number, by: number): number => ((value % by) + by) % by;

const NUMBER_TEXT = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

/** By name, in lower case. All are pure and total, take time in proportion to their operands' size, and know no locale and no clock. */
export const FUNCTIONS: Readonly<Record<string, ExpressionFunction>> = {
  abs: ofNumber('abs(number)', Math.abs, (value) => (value < 0n ? -value : value)),
  floor: ofNumber('floor(number)', Math.floor, same),
  ceil: ofNumber('ceil(number)', Math.ceil, same),
  round: ofNumber('round(number), halves away from zero', (value) => Math.sign(value) * Math.round(Math.abs(value)), same),
  sign: ofNumber('sign(number)', Math.sign, (value) => (value > 0n ? 1n : value < 0n ? -1n : 0n)),
  sqrt: double('sqrt(number)', Math.sqrt),
  exp: double('exp(number)', Math.exp),
  ln: double('ln(number)', Math.log),
  log10: double('log10(number)', Math.log10),
  pow: fixed('pow(number, number)', ['number', 'number'], 'float', ([base, power]) => finite(Number(base) ** Number(power))),
  length: fixed('length(text), in code points', ['text'], 'int', ([value]) => [...(value as string)].length),
  lower: onText('lower(text)', (value) => value.toLowerCase()),
  upper: onText('upper(text)', (value) => value.toUpperCase()),
  trim: onText('trim(text)', (value) => value.trim()),
  substring: fixed(
    'substring(text, from, length), from 1, in code points',
    ['text', 'number', 'number'],
    'text',
    ([value, from, length]) => {
      const start = Math.trunc(Number(from)) - 1;
      const end = length === undefined ? Infinity : start + Math.trunc(Number(length));
      return [...(value as string)].slice(Math.max(0, start), Math.max(0, end)).join('');
    },
    1,
  ),
  starts_with: onTexts('starts_with(text, text)', (value, other) => value.startsWith(other)),
  ends_with: onTexts('ends_with(text, text)', (value, other) => value.endsWith(other)),
  contains: onTexts('contains(text, text)', (value, other) => value.includes(other)),
  year: onTime('year(time), in UTC', (time) => new Date(time).getUTCFullYear()),
  month: onTime('month(time), 1 to 12, in UTC', (time) => new Date(time).getUTCMonth() + 1),
  day: onTime('day(time), of the month, in UTC', (time) => new Date(time).getUTCDate()),
  day_of_week: onTime('day_of_week(time), Monday is 1, in UTC', (time) => modulo(Math.floor(time / DAY) + 3, 7) + 1),
  hour: onTime('hour(time), in UTC', (time) => Math.floor(modulo(time, DAY) / HOUR)),
  minute: onTime('minute(time)', (time) => Math.floor(modulo(time, HOUR) / MINUTE)),
  unix_ms: onTime('unix_ms(time)', (time) => time),
  to_float: fixed('to_float(value)', ['any'], 'float', ([value]) => toFloat(value as Scalar)),
  to_int: fixed('to_int(number), cut off towards zero', ['number'], 'int', ([value]) => whole(Math.trunc(Number(value)))),
  to_text: {
    usage: 'to_text(number, text or true/false)',
    type: (operands) => (takes(operands, ['any']) && operands[0] !== 'time' ? 'text' : undefined),
    run: ([value]) => String(value),
  },
};

function toFloat(value: Scalar): number | null {
  if (typeof value === 'string') return NUMBER_TEXT.test(value) ? finite(Number(value)) : null;
  return finite(Number(value));
}
