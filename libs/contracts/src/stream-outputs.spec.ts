import { expect, test } from '@jest/globals';
import { CountedOutputs, outputHeaders, outputId, outputPlaceOf, type OutputPlace } from './stream-outputs.js';

const at = (offset: number, change: Partial<OutputPlace> = {}): OutputPlace => ({
  ...{ stream: 's', generation: 1, topic: 't', partition: 0, offset },
  ...change,
});

test('a place goes into headers and comes back, and nothing else is one', () => {
  const place = at(7, { generation: 2, partition: 3 });
  expect(outputPlaceOf({ ...outputHeaders(place), ce_id: outputId(place) })).toEqual(place);
  expect(outputId(place)).toBe('s:2:t/3@7');
  for (const [name, value] of [
    ['ce_stream', undefined],
    ['ce_inputoffset', ''],
    ['ce_inputoffset', '-1'],
    ['ce_generation', '1.5'],
    ['ce_inputpartition', 'x'],
  ] as const)
    expect(outputPlaceOf({ ...outputHeaders(place), [name]: value })).toBeUndefined();
});

test('what was written twice counts once, whoever wrote it and wherever it began', () => {
  const counted = new CountedOutputs();
  const written = [0, 1, 2, /* another takes over */ 2, 3, 4, /* the first had this on its way */ 3, 4, 5, /* the other goes on */ 5, 6];
  const counts = written.filter((offset) => counted.counts(at(offset)));
  expect(counts).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(counted.last('s', 1, 't', 0)).toBe(6);
  expect(counted.last('s', 2, 't', 0)).toBeUndefined();
});

test('partitions, topics and streams are counted apart, and a generation that is over does not come back', () => {
  const counted = new CountedOutputs();
  expect(counted.counts(at(9))).toBe(true);
  for (const change of [{ partition: 1 }, { topic: 'u' }, { stream: 'r' }]) expect(counted.counts(at(3, change))).toBe(true);
  expect(counted.counts(at(0, { generation: 2 }))).toBe(true);
  expect(counted.counts(at(10))).toBe(false);
  expect(counted.counts(at(1, { generation: 2 }))).toBe(true);
});

/** Every writer begins where all before is written and goes on without a gap: then whatever order their records meet in, each event counts once. */
test('of any writers that begin at the end they see, each event counts exactly once', () => {
  let seed = 20_261_126;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 200; round++) {
    const log: number[] = [];
    const writers: { next: number }[] = [];
    while (Math.max(-1, ...log) < 60) {
      if (writers.length === 0 || random(8) === 0) writers.push({ next: Math.max(-1, ...log) + 1 });
      const writer = writers[random(writers.length)]!;
      for (let count = random(5); count >= 0; count--) log.push(writer.next++);
      if (writers.length > 3) writers.splice(random(writers.length), 1);
    }
    const counted = new CountedOutputs();
    const counts = log.filter((offset) => counted.counts(at(offset)));
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, offset) => offset));
    expect(counts.length).toBe(Math.max(...log) + 1);
  }
});
