import { expect, test } from '@jest/globals';
import { START, trip, TripsService, until } from './testing/trips.js';

test('an online store that was filled from another log is not taken for one of this log: the process is not ready until it is away too', async () => {
  const trips = await TripsService.start();
  try {
    const ask = (more: object) =>
      trips.online({ ...{ features: ['city_fares:trips_1h'], entities: { city: ['Bern'] }, at: START + 3 * 60_000 }, ...more });
    await ask({ at_least: await trips.send([trip('a', 1, 10), trip('b', 2, 20)]) });
    await trips.restart(['log', 'state', 'offline']);
    await trips.apply();
    const ready = async () => {
      const response = await trips.get('/readyz');
      return `${response.status} ${await response.text()}`;
    };
    const reason = /503 .*the log has less than what was read from it: trips.*features\.trips\.online has read to .*the folder online/;
    await until(ready, (text) => reason.test(text));
    await trips.restart(['online']);
    await until(ready, (text) => text.startsWith('200'));
    const reply = await ask({ at_least: await trips.send([trip('c', 1, 10)]) });
    expect(reply.results.map(({ values }) => values)).toContainEqual([1]);
  } finally {
    await trips.stop();
  }
}, 60_000);
