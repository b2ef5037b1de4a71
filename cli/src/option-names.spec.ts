import { expect, test } from '@jest/globals';
import { RefusedError } from './client.js';
import { inOptionNames } from './option-names.js';

test('a refusal is told in the words of the command', async () => {
  const said = async (detail: string): Promise<string> => {
    const refused = Promise.reject<never>(new RefusedError({ status: 400, detail }));
    return inOptionNames({ from: '--since', to: '--until' }, refused).catch((error: Error) => error.message);
  };
  expect(await said('from must be a time: RFC 3339 text or milliseconds')).toBe('--since must be a time: RFC 3339 text or milliseconds');
  expect(await said('to must be later than from')).toBe('--until must be later than from');
  expect(await said('there is no feature view rides; apply it first')).toBe('there is no feature view rides; apply it first');
  const away = inOptionNames({ from: '--since' }, Promise.reject<never>(new Error('from afar')));
  await expect(away).rejects.toThrow('from afar');
});
