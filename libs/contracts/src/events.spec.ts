import { describe, expect, test } from '@jest/globals';
import { checkEvent, factReader, readEvent } from './events.js';
import type * as experimentation from './generated/types/experimentation.js';

const exposed: experimentation.UnitExposed = { experiment: 'delay-ab', unit: 'ORD', variant: 'control', deployment: null };
const type = 'millrace.experimentation.UnitExposed.v1';

describe('checkEvent', () => {
  test('takes what the schema describes', () => {
    expect(checkEvent('experimentation', 'UnitExposed', 1, exposed)).toBeUndefined();
  });

  test('lets a property pass that a newer writer has added', () => {
    expect(checkEvent('experimentation', 'UnitExposed', 1, { ...exposed, region: 'eu' })).toBeUndefined();
  });

  test('says which property is missing or wrong', () => {
    expect(checkEvent('experimentation', 'UnitExposed', 1, { ...exposed, unit: 7 })).toMatch(/\/unit must be string/);
    const { unit: _unit, ...rest } = exposed;
    expect(checkEvent('experimentation', 'UnitExposed', 1, rest)).toMatch(/'unit'/);
    expect(checkEvent('experimentation', 'UnitExposed', 1, null)).toMatch(/it must be object/);
  });

  test('knows what it does not know', () => {
    expect(checkEvent('experimentation', 'UnitExposed', 9, exposed)).toBe('there is no schema of experimentation.UnitExposed.v9');
    expect(checkEvent('experimentation', 'toString', 1, exposed)).toMatch(/no schema/);
  });
});

describe('factReader', () => {
  const read = factReader<experimentation.UnitExposed>('experimentation', 'UnitExposed');

  test('reads its own type', () => {
    expect(read({ type, data: exposed })).toEqual({ ok: true, value: exposed });
  });

  test('skips other types and refuses what is no type or does not fit', () => {
    expect(read({ type: 'millrace.experimentation.OutcomeRecorded.v1', data: {} })).toMatchObject({ ok: 'skip' });
    expect(read({ type: 'com.example.thing', data: {} })).toMatchObject({ ok: false });
    expect(read({ type: 'millrace.experimentation.NobodyKnows.v1', data: {} })).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/NobodyKnows/),
    });
    expect(read({ type, data: 'text' })).toMatchObject({ ok: false });
  });
});

test('readEvent gives the newest version', () => {
  expect(readEvent('experimentation', 'UnitExposed', 1, exposed)).toEqual({ ok: true, value: exposed });
});
