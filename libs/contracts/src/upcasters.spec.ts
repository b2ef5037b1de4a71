import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EVENTS } from './generated/catalog.js';
import { Upcasters, upcasters } from './upcasters.js';

const KNOWN = [1, 2, 3].map((version) => ({ domain: 'parcels', name: 'ParcelSent', version }));

/** v1 had one address line, v2 split it, v3 counts weight in grams. */
interface V1 {
  readonly address: string;
  readonly kilos: number;
}

const STEPS = {
  'parcels.ParcelSent': {
    1: (data: unknown) => {
      const { address, kilos } = data as V1;
      const [street = '', town = ''] = address.split(', ');
      return { street, town, kilos };
    },
    2: (data: unknown) => {
      const { kilos, ...rest } = data as { kilos: number };
      return { ...rest, grams: Math.round(kilos * 1000) };
    },
  },
};

describe('Upcasters', () => {
  const parcels = new Upcasters(KNOWN, STEPS);

  test('lift an old event step by step to the newest version', () => {
    const sample: V1 = { address: 'Mill Lane 1, Bath', kilos: 1.25 };
    expect(parcels.lift('parcels', 'ParcelSent', 1, sample)).toEqual({
      ok: true,
      version: 3,
      data: { street: 'Mill Lane 1', town: 'Bath', grams: 1250 },
    });
    expect(sample).toEqual({ address: 'Mill Lane 1, Bath', kilos: 1.25 });
  });

  test('leave the newest version as it is', () => {
    const data = { street: 's', town: 't', grams: 1 };
    expect(parcels.lift('parcels', 'ParcelSent', 3, data)).toEqual({ ok: true, version: 3, data });
  });

  test('give the same from a version and from what its own upcast made of it', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 100 }), (address, kilos) => {
        const fromFirst = parcels.lift('parcels', 'ParcelSent', 1, { address, kilos });
        const second = STEPS['parcels.ParcelSent'][1]({ address, kilos });
        expect(parcels.lift('parcels', 'ParcelSent', 2, second)).toEqual(fromFirst);
      }),
    );
  });

  test('refuse a version that is newer than this build', () => {
    expect(parcels.lift('parcels', 'ParcelSent', 4, {})).toEqual({
      ok: false,
      reason: 'parcels.ParcelSent v4 is not known here, the newest is v3',
    });
    expect(parcels.lift('parcels', 'ParcelLost', 1, {})).toMatchObject({ ok: false });
  });

  test('are not made with a gap, or with a step that leads nowhere', () => {
    expect(() => new Upcasters(KNOWN, { 'parcels.ParcelSent': { 1: STEPS['parcels.ParcelSent'][1] } })).toThrow(
      'no step from parcels.ParcelSent v2 to v3',
    );
    expect(() => new Upcasters(KNOWN, { ...STEPS, 'parcels.ParcelLost': { 1: (data) => data } })).toThrow('leads to no schema');
  });
});

test('every event there is can be lifted', () => {
  for (const { domain, name } of EVENTS) expect(upcasters.newest(domain, name)).toBeGreaterThanOrEqual(1);
});
