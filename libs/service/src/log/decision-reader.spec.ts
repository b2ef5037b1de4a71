import { describe, expect, test } from '@jest/globals';
import { encodeDecision, type LogRecord } from '@millrace/event-log';
import type { DecisionRecord, Journal } from '@millrace/kernel';
import { checkedJournal, decisionReader } from './decision-reader.js';

const TOPIC = 'millrace.resources.decisions';
const deleted = { kind: 'Entity', name: 'probe', version: 1 };

function decision(change: Partial<DecisionRecord> = {}): DecisionRecord {
  const base = { id: 'i', type: 'ResourceDeleted', version: 1, subject: 'resource/Entity/probe', sequence: 2, commandId: 'c' };
  return { ...base, actor: 'a', time: 1, data: deleted, ...change };
}

function logged(change: Partial<DecisionRecord> = {}, domain = 'resources'): LogRecord {
  const { key, value, headers = {} } = encodeDecision(TOPIC, domain, decision(change));
  return { topic: TOPIC, partition: 0, offset: 0, key, value, headers, timestamp: 1 };
}

describe('decisionReader', () => {
  const read = decisionReader('resources');

  test('reads what fits its schema', () => {
    expect(read(logged())).toMatchObject({ ok: true, value: { type: 'ResourceDeleted', sequence: 2, data: deleted } });
  });

  test.each([
    ['data of another kind', { data: 42 }, /it must be object/],
    ['fields of other types', { data: { ...deleted, version: 'one' } }, /\/version must be integer/],
    ['a type nobody knows', { type: 'ResourceFrobnicated' }, /no schema of resources\.ResourceFrobnicated\.v1/],
    ['a version nobody knows yet', { version: 9 }, /no schema of resources\.ResourceDeleted\.v9/],
  ])('takes %s for no decision', (_what, change, reason) => {
    expect(read(logged(change))).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
  });

  test('holds a domain without schemas to its envelope alone', () => {
    expect(decisionReader('tally')(logged({ type: 'TallyGrown' }, 'tally'))).toMatchObject({ ok: true });
  });
});

test('a decision that nobody would read is not written', async () => {
  const written: DecisionRecord[] = [];
  const journal: Journal = {
    append: async (record) => {
      written.push(record);
      return { topic: TOPIC, partition: 0, offset: 0 };
    },
    end: async () => ({ topic: TOPIC, partition: 0, offset: 0 }),
  };
  const checked = checkedJournal(journal, 'resources');
  await checked.append(decision());
  await expect(checked.append(decision({ data: { kind: 1 } }))).rejects.toMatchObject({ code: 'MR_DECISION_UNFIT', retryable: false });
  expect(written).toEqual([decision()]);
});
