import { expect, test } from '@jest/globals';
import type { GovernedModel, Promotion } from '../../domain/governance/governance.state.js';
import { promotionJson } from './promotion-json.js';

const CLOSED: Promotion = {
  ...{ request: 1, version: 2, target: { kind: 'alias', name: 'champion' }, archiveOthers: false, reason: '', policies: [] },
  ...{ status: 'withdrawn', requestedBy: 'ana', requestedAt: 0, expiresAt: 1000, approvals: new Map() },
  ...{ closedBy: 'ana', closedAt: 500, closingReason: '' },
};

test.each([
  [1000, '1970-01-01T00:00:01.000Z'],
  // Year 10000, and longer than a Date can be: of policies from before there was a bound.
  [253_402_300_800_000, null],
  [999_999_999 * 86_400_000, null],
])('a request that expires at %d is shown', (expiresAt, text) => {
  const shown = promotionJson('delay', {} as GovernedModel, { ...CLOSED, expiresAt }, [], 600);
  expect(shown).toMatchObject({ status: 'withdrawn', expiresAt: text, closedAt: '1970-01-01T00:00:00.500Z' });
});
