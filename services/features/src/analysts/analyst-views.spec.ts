import { expect, test } from '@jest/globals';
import { compileSource } from '@millrace/feature-engine';
import type { OfflineStore } from '@millrace/offline-store';
import { AnalystViews } from './analyst-views.js';

const source = (name: string) => compileSource({ name, topic: name, eventTime: 'at', schema: { at: 'DateTime64(3)' } });

test('a view that cannot be made keeps no other waiting, and is tried again by itself', async () => {
  const made: string[] = [];
  const failures: string[] = [];
  const retries: (() => void)[] = [];
  let isBroken = true;
  const store = {
    command: (sql: string) => {
      if (isBroken && sql.includes('events_first')) return Promise.reject(new Error('no'));
      made.push(/events_\w+/.exec(sql)?.[0] ?? sql);
      return Promise.resolve();
    },
    query: () => Promise.resolve([]),
  } as unknown as OfflineStore;
  const scheduler = { after: (_: number, run: () => void) => (retries.push(run), () => undefined) };
  const views = new AnalystViews({ store, scheduler, failed: (what) => failures.push(what) });
  await views.arrange([source('first'), source('second')], []);
  expect([made, failures, retries.length]).toEqual([['events_second'], ["make analysts' view events_first"], 1]);
  await views.arrange([source('first'), source('second'), source('third')], []);
  expect(made).toEqual(['events_second', 'events_third']);
  isBroken = false;
  retries.at(-1)?.();
  await views.stop();
  // What stops is not begun anew.
  expect(made).toEqual(['events_second', 'events_third']);

  const again = new AnalystViews({ store, scheduler, failed: (what) => failures.push(what) });
  isBroken = true;
  await again.arrange([source('first')], []);
  isBroken = false;
  retries.at(-1)?.();
  await again.arrange([source('first')], []);
  expect(made.at(-1)).toBe('events_first');
  expect(made).toHaveLength(3);
});
