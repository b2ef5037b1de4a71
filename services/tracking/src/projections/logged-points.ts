import { fromWire, isLater, type MetricPoint, type MetricPointsLogged } from '../domain/metric-points/metric-points.js';

/** Where a value's text begins, times this, plus its length. */
const PLACE = 64;

/**
 * The points of one record by column. A record of a hundred points as objects is four hundred of them, and readers of a long log spend most of
 * their time on making and collecting those.
 */
export class LoggedPoints {
  /**
   * `values` are the values, or, with `text`, the places of their texts in it: most readers want few of them.
   */
  constructor(
    readonly runId: string,
    readonly experimentId: string,
    readonly keys: readonly string[],
    readonly timestamps: readonly number[],
    readonly steps: readonly number[],
    private readonly values: readonly number[],
    private readonly text?: Buffer,
  ) {}

  static of({ runId, experimentId, points }: MetricPointsLogged): LoggedPoints {
    const [keys, timestamps, steps, values]: [string[], number[], number[], number[]] = [[], [], [], []];
    for (const wire of points) {
      const { key, timestamp, step, value } = fromWire(wire);
      keys.push(key);
      timestamps.push(timestamp);
      steps.push(step);
      values.push(value);
    }
    return new LoggedPoints(runId, experimentId, keys, timestamps, steps, values);
  }

  get length(): number {
    return this.keys.length;
  }

  value(index: number): number {
    const value = this.values[index] as number;
    if (!this.text) return value;
    const start = Math.floor(value / PLACE);
    return Number(this.text.toString('latin1', start, start + (value % PLACE)));
  }

  point(index: number): MetricPoint {
    const key = this.keys[index] as string;
    return { key, value: this.value(index), timestamp: this.timestamps[index] as number, step: this.steps[index] as number };
  }

  points(): MetricPoint[] {
    return this.keys.map((_, index) => this.point(index));
  }

  /** Which point of each metric stands, by {@link isLater}. Values are looked at only where steps and timestamps do not tell. */
  latest(): ReadonlyMap<string, number> {
    const latest = new Map<string, number>();
    for (let index = 0; index < this.keys.length; index++) {
      const key = this.keys[index] as string;
      const best = latest.get(key);
      if (best === undefined || this.#isLater(index, best)) latest.set(key, index);
    }
    return latest;
  }

  #isLater(index: number, best: number): boolean {
    const steps = (this.steps[index] as number) - (this.steps[best] as number);
    if (steps !== 0) return steps > 0;
    const times = (this.timestamps[index] as number) - (this.timestamps[best] as number);
    return times !== 0 ? times > 0 : isLater(this.point(index), this.point(best));
  }
}

const [QUOTE, COMMA, MINUS, PLUS, DOT, ZERO, NINE, BACKSLASH, BRACKET] = [0x22, 0x2c, 0x2d, 0x2b, 0x2e, 0x30, 0x39, 0x5c, 0x5d];
const [RUN, EXPERIMENT, POINTS, KEY, VALUE, TIMESTAMP, STEP] = [
  '{"runId":"',
  '","experimentId":"',
  '","points":[',
  '{"key":"',
  '","value":',
  ',"timestamp":',
  ',"step":',
].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
const SHORTEST_POINT = '{"key":"k","value":1,"timestamp":1,"step":1}'.length;
const NOT_FINITE = ['"NaN"', '"Infinity"', '"-Infinity"'].map((text) => Buffer.from(text));
const RUN_ID_LENGTH = 32;
/** Digits a whole number may have and still be exact as it is counted up here. */
const MOST_DIGITS = 15;
/** Digits of an exponent with which a number of few digits is still finite. */
const MOST_EXPONENT_DIGITS = 2;
/** Names seen last, by a hash of their bytes: a power of two. */
const NAMES = 1024;

/**
 * Reads the data of a `MetricPointsLogged` v1 as this platform writes it: plain ASCII, nothing between the tokens, the properties in their
 * order. It takes nothing that the schema would not, and nothing of which it would say something else than JSON.parse; for what it does not
 * take (`undefined`) there is JSON.parse and the schema.
 */
export class LoggedPointsReader {
  readonly #names = new Array<string>(NAMES).fill('');
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  read(bytes: Buffer): LoggedPoints | undefined {
    this.#bytes = bytes;
    this.#at = 0;
    if (!this.#is(RUN)) return undefined;
    const runId = this.#runId();
    if (runId === undefined || !this.#is(EXPERIMENT)) return undefined;
    const experimentId = this.#digits();
    if (experimentId === undefined || !this.#is(POINTS)) return undefined;
    // Room for as many as there can be, once: lists that grow leave twice their size behind.
    const most = Math.ceil((bytes.length - this.#at) / SHORTEST_POINT);
    const keys = new Array<string>(most);
    const [timestamps, steps, places] = [new Array<number>(most), new Array<number>(most), new Array<number>(most)];
    let count = 0;
    if (bytes[this.#at] === BRACKET) this.#at++;
    else {
      for (;;) {
        if (!this.#is(KEY)) return undefined;
        const key = this.#key();
        if (key === undefined || !this.#is(VALUE)) return undefined;
        const place = this.#value();
        if (place < 0 || !this.#is(TIMESTAMP)) return undefined;
        const timestamp = this.#integer();
        if (timestamp === undefined || !this.#is(STEP)) return undefined;
        const step = this.#integer();
        if (step === undefined || bytes[this.#at++] !== 0x7d) return undefined;
        keys[count] = key;
        places[count] = place;
        timestamps[count] = timestamp;
        steps[count++] = step;
        const next = bytes[this.#at++];
        if (next === BRACKET) break;
        if (next !== COMMA) return undefined;
      }
    }
    if (bytes[this.#at] !== 0x7d || this.#at + 1 !== bytes.length) return undefined;
    for (const column of [keys, timestamps, steps, places]) column.length = count;
    return new LoggedPoints(runId, experimentId, keys, timestamps, steps, places, bytes);
  }

  #is(text: Buffer): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text[index]) return false;
    this.#at = at + text.length;
    return true;
  }

  #runId(): string | undefined {
    const [bytes, from] = [this.#bytes, this.#at];
    for (let index = from; index < from + RUN_ID_LENGTH; index++) {
      const byte = bytes[index] as number;
      if (!((byte >= ZERO && byte <= NINE) || (byte >= 0x61 && byte <= 0x66))) return undefined;
    }
    this.#at = from + RUN_ID_LENGTH;
    return bytes.toString('latin1', from, this.#at);
  }

  #digits(): string | undefined {
    const from = this.#at;
    return this.#skipDigits() === 0 ? undefined : this.#bytes.toString('latin1', from, this.#at);
  }

  #skipDigits(): number {
    const [bytes, from] = [this.#bytes, this.#at];
    let at = from;
    while ((bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++;
    this.#at = at;
    return at - from;
  }

  /** A name of plain characters; those seen before are the same string. */
  #key(): string | undefined {
    const [bytes, from] = [this.#bytes, this.#at];
    let hash = 0;
    let at = from;
    for (let byte = bytes[at] as number; byte !== QUOTE; byte = bytes[++at] as number) {
      if (!(byte >= 0x20 && byte < 0x7f) || byte === BACKSLASH) return undefined;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (at === from) return undefined;
    this.#at = at;
    const slot = hash & (NAMES - 1);
    const known = this.#names[slot] as string;
    if (isText(bytes, from, at, known)) return known;
    return (this.#names[slot] = bytes.toString('latin1', from, at));
  }

  /** The place of a JSON number, or of the text of one that is not finite; -1 for anything else. */
  #value(): number {
    const bytes = this.#bytes;
    const from = this.#at;
    if (bytes[from] === QUOTE) {
      if (!NOT_FINITE.some((text) => this.#is(text))) return -1;
      return (from + 1) * PLACE + (this.#at - from - 2);
    }
    if (bytes[from] === MINUS) this.#at++;
    const leading = bytes[this.#at];
    const digits = this.#skipDigits();
    if (digits === 0 || (leading === ZERO && digits > 1)) return -1;
    if (bytes[this.#at] === DOT) {
      this.#at++;
      if (this.#skipDigits() === 0) return -1;
    }
    if (((bytes[this.#at] as number) | 0x20) === 0x65) {
      this.#at++;
      if (bytes[this.#at] === MINUS || bytes[this.#at] === PLUS) this.#at++;
      const exponent = this.#skipDigits();
      if (exponent === 0 || exponent > MOST_EXPONENT_DIGITS) return -1;
    }
    const length = this.#at - from;
    return length < PLACE ? from * PLACE + length : -1;
  }

  #integer(): number | undefined {
    const bytes = this.#bytes;
    const isNegative = bytes[this.#at] === MINUS;
    if (isNegative) this.#at++;
    const from = this.#at;
    const digits = this.#skipDigits();
    if (digits === 0 || digits > MOST_DIGITS || (bytes[from] === ZERO && (digits > 1 || isNegative))) return undefined;
    let value = 0;
    for (let at = from; at < this.#at; at++) value = value * 10 + ((bytes[at] as number) - ZERO);
    return isNegative ? -value : value;
  }
}

function isText(bytes: Buffer, from: number, to: number, text: string): boolean {
  if (text.length !== to - from) return false;
  for (let index = 0; index < text.length; index++) if (bytes[from + index] !== text.charCodeAt(index)) return false;
  return true;
}
