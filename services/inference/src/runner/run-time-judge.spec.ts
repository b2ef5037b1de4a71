import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { placeOf, RunTimeJudge } from './run-time-judge.js';
import type { Place } from './runner.js';

/** Where it wants to go after how many runs of one length. */
function moveOf(judge: RunTimeJudge, place: Place, computeMs: number, runs: number): [Place, number] | undefined {
  for (let run = 1; run <= runs; run++) {
    const to = judge.observe(place, computeMs);
    if (to) return [to, run];
  }
  return undefined;
}

describe('where a model runs', () => {
  test('is said by the median of its warm-up; one that could not be tried goes to a thread', () => {
    expect([placeOf([0.1, 0.2, 30]), placeOf([0.4, 0.6, 0.7]), placeOf([])]).toEqual(['in-loop', 'worker', 'worker']);
  });

  test('changes after a window of runs that are clearly too slow, or clearly fast enough', () => {
    expect(moveOf(new RunTimeJudge(), 'in-loop', 1.2, 1000)).toEqual(['worker', 64]);
    expect(moveOf(new RunTimeJudge(), 'worker', 0.2, 1000)).toEqual(['in-loop', 64]);
  });

  test('stays between half and twice the limit, wherever it is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.25, max: 1, noNaN: true }), { minLength: 64, maxLength: 400 }),
        fc.constantFrom<Place>('in-loop', 'worker'),
        (times, place) => {
          const judge = new RunTimeJudge();
          for (const time of times) expect(judge.observe(place, time)).toBeUndefined();
        },
      ),
    );
  });

  test('is judged by the mean: the processor’s time of a fast run is nothing or a whole step', () => {
    const judge = new RunTimeJudge();
    for (let run = 0; run < 10_000; run++) expect(judge.observe('in-loop', run % 8 === 0 ? 4 : 0)).toBeUndefined();
    const slow = new RunTimeJudge();
    const moves = Array.from({ length: 64 }, (_, run) => slow.observe('in-loop', run % 2 === 0 ? 4 : 0));
    expect(moves.at(-1)).toBe('worker');
  });

  test('a model that goes back and forth needs twice the evidence each time', () => {
    const judge = new RunTimeJudge();
    expect(moveOf(judge, 'in-loop', 2, 10_000)).toEqual(['worker', 64]);
    expect(moveOf(judge, 'worker', 0.1, 10_000)).toEqual(['in-loop', 128]);
    expect(moveOf(judge, 'in-loop', 2, 10_000)).toEqual(['worker', 256]);
  });
});
