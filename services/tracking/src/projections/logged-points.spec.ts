import { EVENTS, readEvent } from '@millrace/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isLater, toWire, type MetricPoint, type MetricPointsLogged } from '../domain/metric-points/metric-points.js';
import { LoggedPoints, LoggedPointsReader } from './logged-points.js';

const RUN = '0123456789abcdef0123456789abcdef';
const reader = new LoggedPointsReader();

/** What JSON.parse and the schema make of the text. */
function slowly(text: string): LoggedPoints | undefined {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = readEvent<MetricPointsLogged>('tracking', 'MetricPointsLogged', 1, data);
  return read.ok ? LoggedPoints.of(read.value) : undefined;
}

function told(logged: LoggedPoints | undefined) {
  return logged && { runId: logged.runId, experimentId: logged.experimentId, points: logged.points() };
}

const text = (points: readonly object[]) => JSON.stringify({ runId: RUN, experimentId: '12', points });
const points = fc.array(
  fc.record({
    key: fc.oneof(fc.constantFrom('loss', 'val/acc.1', 'a b'), fc.string({ minLength: 1, unit: 'grapheme' })),
    value: fc.oneof(fc.double(), fc.integer(), fc.constantFrom(NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308, -0)),
    timestamp: fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constantFrom(1e21, -1e15)),
    step: fc.oneof(fc.nat(3), fc.integer(), fc.maxSafeInteger()),
  }),
  { maxLength: 8 },
);
const plain = fc.array(
  fc.record({
    key: fc.constantFrom('loss', 'acc', 'val loss'),
    value: fc.double({ noDefaultInfinity: true, noNaN: true, min: -1e20, max: 1e20 }),
    timestamp: fc.integer(),
    step: fc.integer({ min: -2, max: 3 }),
  }),
  { maxLength: 8 },
);

describe('LoggedPointsReader', () => {
  test('reads what JSON.parse and the schema read, or leaves it to them', () => {
    fc.assert(
      fc.property(points, (some) => {
        const written = text(some.map(toWire));
        const read = reader.read(Buffer.from(written));
        if (read) expect(told(read)).toEqual(told(slowly(written)));
      }),
      { numRuns: 1000 },
    );
  });

  test('takes the usual', () => {
    fc.assert(
      fc.property(plain, (some) => reader.read(Buffer.from(text(some.filter(({ value }) => Math.abs(value) > 1e-90)))) !== undefined),
    );
    for (const value of ['NaN', 'Infinity', '-Infinity'] as const) {
      expect(reader.read(Buffer.from(text([{ key: 'a', value, timestamp: 1, step: 2 }])))?.value(0)).toBe(Number(value));
    }
  });

  test('takes nothing that they would not, however a text was changed', () => {
    const written = text([
      { key: 'loss', value: 0.25, timestamp: 1_700_000_000_000, step: 0 },
      { key: 'acc', value: -1.5e-7, timestamp: 5, step: -3 },
      { key: 'x', value: 'NaN', timestamp: 6, step: 10 },
    ]);
    const characters = fc.constantFrom(...'{}[]",:.-+0123456789eEaN \\/\u0000\u007f\u00e9');
    fc.assert(
      fc.property(fc.nat(written.length), fc.nat(2), fc.string({ unit: characters, maxLength: 3 }), (at, gone, put) => {
        const changed = written.slice(0, at) + put + written.slice(at + gone);
        const read = reader.read(Buffer.from(changed));
        if (read) expect(told(read)).toEqual(told(slowly(changed)));
      }),
      { numRuns: 20_000 },
    );
    for (let length = 0; length < written.length; length++) expect(reader.read(Buffer.from(written.slice(0, length)))).toBeUndefined();
  });

  test.each([
    ['an empty name', '{"key":"","value":1,"timestamp":1,"step":1}'],
    ['a number that begins with 0', '{"key":"a","value":01,"timestamp":1,"step":1}'],
    ['a value without an end', '{"key":"a","value":1.,"timestamp":1,"step":1}'],
    ['a value too large for a double', '{"key":"a","value":1e999,"timestamp":1,"step":1}'],
    ['a fractional step', '{"key":"a","value":1,"timestamp":1,"step":0.5}'],
    ['a property of a newer writer', '{"key":"a","value":1,"timestamp":1,"step":1,"unit":"s"}'],
    ['other text', '{"key":"a","value":"nan","timestamp":1,"step":1}'],
  ])('leaves %s to the schema', (_, point) => {
    expect(reader.read(Buffer.from(`{"runId":"${RUN}","experimentId":"1","points":[${point}]}`))).toBeUndefined();
  });

  test('reads the only version there is: a newer one has to be lifted', () => {
    const versions = EVENTS.filter(({ domain, name }) => domain === 'tracking' && name === 'MetricPointsLogged').map(
      ({ version }) => version,
    );
    expect(versions).toEqual([1]);
  });
});

describe('LoggedPoints', () => {
  test('knows the latest point of each metric, however it was read', () => {
    fc.assert(
      fc.property(plain, (some) => {
        const expected = new Map<string, MetricPoint>();
        for (const point of some) {
          const known = expected.get(point.key);
          if (!known || isLater(point, known)) expected.set(point.key, point);
        }
        const wanted = [...expected].map(([key, { step, timestamp, value }]) => ({ key, step, timestamp, value: value === 0 ? 0 : value }));
        for (const logged of [LoggedPoints.of({ runId: RUN, experimentId: '1', points: some }), reader.read(Buffer.from(text(some)))]) {
          const latest = logged && [...logged.latest().values()].map((index) => logged.point(index));
          if (latest) expect(latest.map((point) => ({ ...point, value: point.value === 0 ? 0 : point.value }))).toEqual(wanted);
        }
      }),
    );
  });
});
