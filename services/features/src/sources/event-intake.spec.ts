import { expect, test } from '@jest/globals';
import { compileSource } from '@millrace/feature-engine';
import type { EventLog } from '@millrace/event-log';
import { EventIntake } from './event-intake.js';
import { SourceReader } from './source-record.js';

const NO_LOG = {} as EventLog;

test('events of a source that was once given a topic of the platform come to no log', async () => {
  const plan = compileSource({ name: 'keys', topic: 'millrace.access.decisions', eventTime: 'at', schema: { at: 'DateTime64(3)' } });
  const source = { version: 1, plan, format: 'cloudevents' as const, partitions: 1, expectations: [] };
  const reader = new SourceReader(source, { partitions: 4, maxAheadMs: 1_000 });
  const intake = new EventIntake(NO_LOG, () => Date.parse('2026-01-02'));
  const headers = { ce_type: 'millrace.access.ApiKeyCreated.v1', ce_subject: 'keys/catalog', ce_sequence: '2' };
  const event = { line: 1, fields: { at: '2026-01-01' }, value: Buffer.from('{}'), headers };
  const reason = "millrace.access.decisions, the topic of source keys, is the platform's own; give the source another";
  expect(await intake.take(reader, [event], undefined)).toMatchObject({ accepted: 0, rejected: [{ line: 1, reason }] });
  expect(await intake.takeAll(reader, [event], undefined)).toMatchObject({ accepted: 0, rejected: [{ line: 1, reason }] });
});
