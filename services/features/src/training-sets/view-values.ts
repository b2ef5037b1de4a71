import { entityKeyText, EntityHistory, type KnownPositions, type Value, type ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import { KNOWN_COLUMN } from './spine-rows.js';
import type { SpineKey, StagedSpine } from './spine-table.js';
import type { ViewColumns } from './view-columns.js';
import { viewHistories } from './view-histories.js';

export interface ViewValuesOptions {
  readonly store: OfflineStore;
  readonly scratch: ScratchTables;
  readonly progress: (stage: string, done: number, total: number) => void;
}

const DEADLINE_MS = 600_000;
const ROWS_PER_INSERT = 50_000;
const ROWS_PER_READ = 500_000;

/** Spine rows of one entity: places and times. */
interface Asked {
  readonly rows: number[];
  readonly ats: number[];
  /** What each row knew; absent where every row knows all. */
  readonly known: KnownPositions[] | undefined;
}

/**
 * Computes a view's values for each spine row with the engine's own arithmetic, over the events before `next`, and puts them into the table `into` as `__row`,
 * `v0`, `v1` …
 */
export async function computeView(
  { store, scratch, progress }: ViewValuesOptions,
  staged: StagedSpine,
  { plan, features }: ViewColumns,
  keys: readonly SpineKey[],
  next: readonly number[],
  into: string,
): Promise<void> {
  const own = plan.joinKeys.map((key) => keys.findIndex((item) => item.name === key.name));
  const asked = await readAsked(store, staged, plan, own);
  let [since, until] = [Infinity, -Infinity];
  for (const { ats } of asked.values()) for (const at of ats) [since, until] = [Math.min(since, at), Math.max(until, at)];
  const names = plan.joinKeys.map((key, index) => `assumeNotNull(__key_${own[index]}) AS ${quoteIdentifier(key.name)}`);
  const present = own.map((index) => `__key_${index} IS NOT NULL`).join(' AND ');
  const definition = `ENGINE = Memory AS SELECT DISTINCT ${names.join(', ')} FROM ${staged.table} WHERE ${present}`;
  const writer = new ValueWriter(store, into, features);
  let done = 0;
  const answer = async (history: EntityHistory, { rows, ats, known }: Asked): Promise<void> => {
    for (let index = 0; index < rows.length; index++) {
      const { values } = history.at(ats[index] as number, known?.[index]);
      if (writer.add(rows[index] as number, values)) await writer.flush();
    }
    progress(plan.name, (done += rows.length), staged.rows);
  };
  // Where no row has the keys there is no time that is asked for.
  if (asked.size > 0)
    await scratch.with(definition, async (table) => {
      for await (const [key, history] of viewHistories({ store, plan, keys: table, next, since, until })) {
        const rows = asked.get(key);
        if (rows) await answer(history, rows);
        asked.delete(key);
      }
    });
  const nothing = new EntityHistory(plan, []);
  for (const rows of asked.values()) await answer(nothing, rows);
  await writer.flush();
}

async function readAsked(store: OfflineStore, staged: StagedSpine, plan: ViewPlan, own: readonly number[]): Promise<Map<string, Asked>> {
  const asked = new Map<string, Asked>();
  const columns = [...own.map((index) => `__key_${index}`), ...(staged.known ? [KNOWN_COLUMN] : [])].join(', ');
  const known = knownReader(plan.name);
  const present = own.map((index) => `__key_${index} IS NOT NULL`).join(' AND ');
  for (let from = 0; from < staged.rows; from += ROWS_PER_READ) {
    const rows = await store.query<Record<string, unknown>>(
      `SELECT __row, __at, ${columns} FROM ${staged.table} WHERE __row >= {from:UInt64} AND __row < {to:UInt64} AND ${present} ORDER BY __row`,
      { from, to: from + ROWS_PER_READ },
      { deadlineMs: DEADLINE_MS },
    );
    for (const row of rows) {
      const values = plan.joinKeys.map((key, place) => key.type.parse(row[`__key_${own[place]}`]) as Value);
      const text = entityKeyText(values);
      let entry = asked.get(text);
      if (!entry) asked.set(text, (entry = { rows: [], ats: [], known: staged.known ? [] : undefined }));
      entry.rows.push(Number(row['__row']));
      entry.ats.push(Number(row['__at']));
      entry.known?.push(known(row[KNOWN_COLUMN]));
    }
  }
  return asked;
}

/** Reads what a row's prediction knew of a view; neighbouring predictions knew the same. */
function knownReader(view: string): (text: unknown) => KnownPositions {
  let last: unknown;
  let known: KnownPositions = {};
  return (text) => {
    if (text !== last) {
      known = (JSON.parse(String(text)) as Record<string, KnownPositions> | null)?.[view] ?? {};
      last = text;
    }
    return known;
  };
}

interface WrittenFeature {
  /** Index in the values of a row. */
  readonly index: number;
  readonly type: string;
}

/** Rows of values on their way into a table, as lines of JSON. */
export class ValueWriter {
  #lines: string[] = [];
  #inserted = 0;
  readonly #store: OfflineStore;
  readonly #table: string;
  readonly #features: readonly WrittenFeature[];

  constructor(store: OfflineStore, table: string, features: readonly WrittenFeature[]) {
    this.#store = store;
    this.#table = table;
    this.#features = features;
  }

  /** True when it is time to flush. */
  add(row: number, values: readonly Value[]): boolean {
    const features = this.#features;
    let line = `{"__row":${row}`;
    for (let place = 0; place < features.length; place++) {
      const { index, type } = features[place] as (typeof features)[number];
      line += `,"v${place}":${valueText(type, values[index] as Value)}`;
    }
    this.#lines.push(`${line}}`);
    return this.#lines.length >= ROWS_PER_INSERT;
  }

  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    await this.#store.insert(this.#table, Buffer.from(lines.join('\n')), `${this.#table}:${this.#inserted}`);
    this.#inserted += lines.length;
  }
}

function valueText(type: string, value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (type === 'Date') return `"${new Date(Number(value)).toISOString().slice(0, 10)}"`;
  if (type.startsWith('DateTime')) return `"${new Date(Number(value)).toISOString()}"`;
  if (type === 'Bool') return value === 0 ? 'false' : 'true';
  return String(value);
}
