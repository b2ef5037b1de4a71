import { describe, expect, test } from '@jest/globals';
import { DecisionReplica, type CommandReply, type LoggedDecision, type Verdict } from '@millrace/kernel';
import type { Mutation } from './race-process.js';
import { runRace, type RaceReport } from './run-race.js';

const SEEDS = 2_000;

async function races(first: number, count: number, mutation?: Mutation): Promise<RaceReport[]> {
  const reports: RaceReport[] = [];
  for (let seed = first; seed < first + count; seed++) reports.push(await runRace(seed, mutation));
  return reports;
}

const sum = (reports: readonly RaceReport[], of: (report: RaceReport) => number) =>
  reports.reduce((total, report) => total + of(report), 0);

describe('first in the log wins', () => {
  test(`holds in ${SEEDS} races: one winner per sequence, every answer true, equal replicas`, async () => {
    const reports = await races(1, SEEDS);
    // The seed is all that is needed to see it again: runRace(seed).
    expect(reports.filter(({ faults }) => faults.length > 0).map(({ seed, faults }) => ({ seed, faults }))).toEqual([]);
    // And the races were races: with all that could go wrong going wrong often.
    expect(sum(reports, ({ accepted }) => accepted)).toBeGreaterThan(SEEDS * 5);
    expect(sum(reports, ({ rejected }) => rejected)).toBeGreaterThan(SEEDS);
    expect(sum(reports, ({ voidRecords }) => voidRecords)).toBeGreaterThan(SEEDS * 5);
    expect(sum(reports, ({ crashes }) => crashes)).toBeGreaterThan(SEEDS);
    expect(sum(reports, ({ unknown }) => unknown)).toBeLessThan(SEEDS / 10);
    expect(new Set(reports.map(({ writers }) => writers))).toEqual(new Set([2, 3, 4, 5]));
  }, 120_000);

  test('a race is decided by its seed alone', async () => {
    expect(await races(5, 10)).toEqual(await races(5, 10));
  });
});

/** Each is a way the kernel could be wrong. */
const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a fold that accepts whatever comes',
    replica: class extends DecisionReplica {
      override apply(partition: number, records: readonly LoggedDecision[], nextOffset: number): LoggedDecision[] {
        return records
          .flatMap((record) =>
            super.apply(partition, [{ ...record, sequence: this.subject(record.subject).sequence + 1 }], record.position.offset + 1),
          )
          .concat(super.apply(partition, [], nextOffset));
      }
    },
  },
  {
    name: 'a writer that takes its append for its verdict',
    replica: class extends DecisionReplica {
      override expect(recordId: string, settle: (verdict: Verdict) => void): void {
        super.expect(recordId, (verdict) => settle({ ...verdict, accepted: true }));
      }
    },
  },
  {
    name: 'a replica that forgets its replies',
    replica: class extends DecisionReplica {
      override reply(): CommandReply | undefined {
        return undefined;
      }
    },
  },
  {
    name: 'a reader that steps over a record',
    replica: class extends DecisionReplica {
      override apply(partition: number, records: readonly LoggedDecision[], nextOffset: number): LoggedDecision[] {
        return super.apply(
          partition,
          records.filter((record) => record.position.offset % 13 !== 12),
          nextOffset,
        );
      }
    },
  },
  {
    name: 'a refusal that is not confirmed at the end of the log',
    replica: class extends DecisionReplica {
      override waitFor(): Promise<void> {
        return Promise.resolve();
      }
    },
  },
];

describe('the checker', () => {
  test.each(MUTATIONS)(
    'notices $name',
    async (mutation) => {
      const reports = await races(1, 100, mutation);
      const caught = reports.filter(({ faults }) => faults.length > 0);
      expect(caught.length).toBeGreaterThan(0);
    },
    120_000,
  );
});
