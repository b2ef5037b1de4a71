import { expect, test } from '@jest/globals';
import { engineUnopened } from './clickhouse-fault.js';

test('an engine that does not open for its time zone names it, and otherwise where its reason stands', () => {
  const error = new Error("Failed to create connection for path '/data/offline'");
  const odd = engineUnopened(error, 'Nowhere/Odd');
  expect(odd).toMatchObject({ code: 'MR_OFFLINE_STORE_UNOPENED', retryable: false });
  expect(odd.message).toContain('TZ is Nowhere/Odd');
  for (const zone of [undefined, 'UTC', ':Asia/Tokyo']) {
    const { message } = engineUnopened(error, zone);
    expect(message).toContain('/data/offline');
    expect(message).toContain('before this line');
    expect(message).not.toContain('TZ');
  }
});
