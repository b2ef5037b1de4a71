import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeDecision, encodeDecision } from '@millrace/event-log';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { timerScheduler } from '@millrace/event-log/local';
import type { LoggedDecision } from '@millrace/kernel';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decisionsProjection, migrate, offlineStoreMigrations, openOfflineStore, TableProjection, type OfflineStore } from './index.js';

const TOPIC = 'millrace.tracking.decisions';

let directory: string;
let store: OfflineStore;
let log: LmdbEventLog;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-decisions-'));
  store = await openOfflineStore({ path: join(directory, 'chdb') });
  log = await LmdbEventLog.open({ path: join(directory, 'log.mdb') });
  await log.ensureTopic({ name: TOPIC, partitions: 2, retention: 'forever' });
  await migrate(store, offlineStoreMigrations);
});

afterEach(async () => {
  await log.close();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

/** Appends decisions given as `subject:sequence:writer`. */
async function decide(...texts: string[]): Promise<void> {
  await log.append(
    texts.map((text) => {
      const [subject = '', sequence, writer = ''] = text.split(':');
      const decision = { id: text, type: 'Noted', version: 2, subject, sequence: Number(sequence), commandId: `c-${text}` };
      return encodeDecision(TOPIC, 'tracking', {
        ...decision,
        actor: 'ann é',
        ...(writer === 'a' ? { keyId: 'k1' } : {}),
        time: 1_000_000_000_123,
        data: { writer },
      });
    }),
  );
}

/** Projects what is in the log, and stops: each call is a process of its own. */
async function projectAll(maxCachedSubjects: number, during: () => Promise<void> = async () => {}): Promise<void> {
  const decisions = decisionsProjection({ store, domain: 'tracking', topic: TOPIC, maxCachedSubjects });
  const projection = new TableProjection<LoggedDecision>({
    ...decisions,
    decode: (record) => decodeDecision('tracking', record),
    store,
    log,
    name: 'tracking.decisions',
    scheduler: timerScheduler,
    now: () => Date.now(),
    maxBatchRecords: 4,
  });
  await projection.start();
  await during();
  await projection.barrier();
  await projection.stop();
}

const accepted = async () =>
  (
    await store.query<{ subject: string; sequence: string; data: string }>(
      'SELECT subject, sequence, data FROM millrace.decisions ORDER BY subject, sequence, _offset',
    )
  ).map((row) => `${row.subject}:${row.sequence}:${(JSON.parse(row.data) as { writer: string }).writer}`);

describe('the decisions projection', () => {
  test('keeps the accepted decisions and nothing else', async () => {
    await decide('run/1:1:a', 'run/1:1:b', 'run/1:2:b', 'run/1:4:b', 'run/1:2:a', 'run/1:3:a', 'run/2:2:a', 'run/2:1:a');
    await projectAll(100);
    expect(await accepted()).toEqual(['run/1:1:a', 'run/1:2:b', 'run/1:3:a', 'run/2:1:a']);
    const [row] = await store.query(
      "SELECT * EXCEPT (_offset, _partition) FROM millrace.decisions WHERE subject = 'run/1' AND sequence = 1",
    );
    expect(row).toEqual({
      _topic: TOPIC,
      domain: 'tracking',
      type: 'Noted',
      version: 2,
      subject: 'run/1',
      sequence: '1',
      command_id: 'c-run/1:1:a',
      actor: 'ann é',
      key_id: 'k1',
      time: '2001-09-09 01:46:40.123',
      data: '{"writer":"a"}',
    });
  });

  test('knows the last sequences of the table after a restart, and when its memory is small', async () => {
    const subjects = Array.from({ length: 40 }, (_, n) => `run/${String(n).padStart(2, '0')}`);
    await decide(...subjects.map((subject) => `${subject}:1:a`));
    await projectAll(3, () => decide(...subjects.map((subject) => `${subject}:2:a`)));
    await decide(...subjects.flatMap((subject) => [`${subject}:2:late`, `${subject}:3:a`]));
    await projectAll(3, () => decide(...subjects.flatMap((subject) => [`${subject}:1:zombie`, `${subject}:4:a`])));
    expect(await accepted()).toEqual(subjects.flatMap((subject) => [1, 2, 3, 4].map((sequence) => `${subject}:${sequence}:a`)));
  });
});
