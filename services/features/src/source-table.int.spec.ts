import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { compileSource, type SourcePlan } from '@millrace/feature-engine';
import { openOfflineStore, type OfflineStore } from '@millrace/offline-store';
import { tempDir, type TempDir } from '@millrace/testing';
import { ensureSourceTable } from './sources/source-table.js';

let temp: TempDir;
let store: OfflineStore;
let offset = 0;

beforeAll(async () => {
  temp = await tempDir('source-table');
  store = await openOfflineStore({ path: temp.path });
});
afterAll(async () => {
  await store.close();
  await temp.remove();
});
afterEach(() => store.command('DROP TABLE IF EXISTS millrace.source_meters SYNC'));

const meters = (schema: Record<string, string>, rest: { topic?: string; key?: string[] } = {}): SourcePlan =>
  compileSource({ name: 'meters', topic: 'meters', eventTime: 'at', key: [], ...rest, schema: { at: 'DateTime64(3)', ...schema } });

async function put(event: object): Promise<void> {
  const row = { _topic: 'meters', _partition: 0, _offset: offset++, _event_time: '2026-01-01', ...event };
  await store.insert('millrace.source_meters', [row], `meters/${offset}`);
}
/** As parts of many rows are stored: each column in files of its own. */
const keepWide = (): Promise<void> =>
  store.command('ALTER TABLE millrace.source_meters MODIFY SETTING min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0');
const watts = async (): Promise<unknown[]> =>
  (await store.query<{ watts: unknown }>('SELECT watts FROM millrace.source_meters ORDER BY _offset')).map((row) => row.watts);

describe('a column whose type comes back', () => {
  test('has what it can hold of the events in between', async () => {
    await ensureSourceTable(store, meters({ watts: 'Float64' }));
    await put({ watts: 1.5 });
    await ensureSourceTable(store, meters({ watts: 'Int32' }));
    await put({ watts: 7 });
    await ensureSourceTable(store, meters({ watts: 'String' }));
    await put({ watts: '2.5' });
    await put({ watts: 'x' });
    await ensureSourceTable(store, meters({ watts: 'Float64' }));
    await put({ watts: 8 });
    expect(await watts()).toEqual([1.5, 7, 2.5, 0, 8]);
    await ensureSourceTable(store, meters({ watts: 'Int32' }));
    expect(await watts()).toEqual([0, 7, 0, 0, 8]);
    await ensureSourceTable(store, meters({ watts: 'String' }));
    expect(await watts()).toEqual(['0', '7', '2.5', 'x', '8']);
  });

  test('is the one of before also where it may be null now, and null for what it could not hold', async () => {
    await ensureSourceTable(store, meters({ watts: 'Float64' }));
    await put({ watts: 1.5 });
    await put({ watts: 0 });
    await ensureSourceTable(store, meters({ watts: 'Int32' }));
    await put({ watts: 7 });
    await ensureSourceTable(store, meters({ watts: 'String' }));
    await put({ watts: 'x' });
    await ensureSourceTable(store, meters({ watts: 'Int32' }));
    await ensureSourceTable(store, meters({ watts: 'Nullable(Float64)' }));
    await put({ watts: null });
    expect(await watts()).toEqual([1.5, 0, 7, 0, null]);
    await ensureSourceTable(store, meters({ watts: 'String' }));
    await ensureSourceTable(store, meters({ watts: 'Nullable(Int32)' }));
    expect(await watts()).toEqual([0, 0, 7, null, null]);
  });

  test('may be null or not whenever it comes back', async () => {
    await ensureSourceTable(store, meters({ watts: 'Float64' }));
    await put({ watts: 1.5 });
    for (const type of ['Int32', 'Nullable(Float64)', 'Int32', 'Float64', 'Nullable(Float64)', 'Int32', 'Nullable(Int32)'])
      await ensureSourceTable(store, meters({ watts: type }));
    expect(await watts()).toEqual([0]);
    await ensureSourceTable(store, meters({ watts: 'Float64' }));
    expect(await watts()).toEqual([1.5]);
  });

  test.each(['compact', 'wide'])('has nothing of events that did not have it, nor of those from before it was added: %s', async (parts) => {
    await ensureSourceTable(store, meters({}));
    if (parts === 'wide') await keepWide();
    await put({});
    await ensureSourceTable(store, meters({ watts: 'Nullable(String)' }));
    await ensureSourceTable(store, meters({ watts: 'Int32' }));
    await ensureSourceTable(store, meters({}));
    await put({});
    await ensureSourceTable(store, meters({ watts: 'Int32' }));
    await put({ watts: 7 });
    await store.command('OPTIMIZE TABLE millrace.source_meters FINAL');
    await ensureSourceTable(store, meters({ watts: 'Nullable(String)' }));
    expect(await watts()).toEqual([null, null, '7']);
  });
});

describe('a change of type that is broken off', () => {
  /** Ends at one command after another, and begins again. */
  async function breakOff(plan: SourcePlan): Promise<number> {
    for (let most = 0; ; most++) {
      let left = most;
      const ending = new Proxy(store, {
        get: (target, name) => {
          if (name !== 'command') {
            const found = Reflect.get(target, name) as unknown;
            return typeof found === 'function' ? (found.bind(target) as unknown) : found;
          }
          return (sql: string): Promise<void> => (left-- > 0 ? target.command(sql) : Promise.reject(new Error('the process ends')));
        },
      });
      try {
        await ensureSourceTable(ending, plan);
        return most;
      } catch (error) {
        if ((error as Error).message !== 'the process ends') throw error;
      }
    }
  }

  test('loses nothing, wherever that is', async () => {
    await ensureSourceTable(store, meters({ watts: 'Float64' }));
    await keepWide();
    await put({ watts: 1.5 });
    await put({ watts: 2 });
    expect(await breakOff(meters({ watts: 'Int32' }))).toBeGreaterThan(2);
    await put({ watts: 7 });
    expect(await watts()).toEqual([0, 2, 7]);
    await breakOff(meters({ watts: 'Float64' }));
    expect(await watts()).toEqual([1.5, 2, 7]);
    await put({ watts: 0.5 });
    await breakOff(meters({ watts: 'Int32' }));
    expect(await watts()).toEqual([0, 2, 7, 0]);
  });

  test('and is not wanted any more leaves nothing that a later one takes for its own', async () => {
    await ensureSourceTable(store, meters({ watts: 'Float64' }));
    await put({ watts: 2 });
    await store.command(`ALTER TABLE millrace.source_meters ADD COLUMN "_watts Int32 unfilled" Int32`);
    await ensureSourceTable(store, meters({}));
    await ensureSourceTable(store, meters({ watts: 'Int32' }));
    expect(await watts()).toEqual([2]);
  });
});

describe('a column that the table is sorted by', () => {
  const sortedBy = async (): Promise<string[]> =>
    (
      await store.query<{ name: string; type: string }>(
        "SELECT name, type FROM system.columns WHERE table = 'source_meters' AND is_in_sorting_key AND name NOT LIKE '\\_%'",
      )
    ).map(({ name, type }) => `${name} ${type}`);

  test('gets another type, or another takes its place, while there are no events', async () => {
    await ensureSourceTable(store, meters({ city: 'String' }, { key: ['city'] }));
    await ensureSourceTable(store, meters({ city: 'Int32' }, { key: ['city'], topic: 'meters_2' }));
    expect(await sortedBy()).toEqual(['city Int32']);
    await ensureSourceTable(store, meters({ city: 'Int32', site: 'String' }, { key: ['site'], topic: 'meters_3' }));
    expect(await sortedBy()).toEqual(['site String']);
    await ensureSourceTable(store, meters({ city: 'String', site: 'Int32' }));
    expect(await sortedBy()).toEqual([]);
  });

  test('stays when the key is left out, and says why it cannot have another type', async () => {
    await ensureSourceTable(store, meters({ city: 'String' }, { key: ['city'] }));
    await put({ city: 'Bern' });
    await ensureSourceTable(store, meters({ city: 'String' }));
    expect(await sortedBy()).toEqual(['city String']);
    await expect(ensureSourceTable(store, meters({ city: 'Int32' }))).rejects.toThrow(
      'millrace.source_meters is sorted by city, which is String in it and cannot become Int32; give the source another topic, or define another source',
    );
  });
});
