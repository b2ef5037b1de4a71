import { expect, test } from '@jest/globals';
import { CATALOG_SUBJECT, type RegisteredVersion } from '../domain/registry/model-catalog.js';
import { RolloutsInForce } from '../rollouts/rollouts-in-force.js';
import { ModelHost } from './model-host.js';
import { ServingDirectory } from './serving-directory.js';
import { ServingPolicies } from './serving-policies.js';

const LOAD_WAIT_MS = 10_000;

/** Served from a registry that a test fills; no load ever ends, and what waits for one is told how long it would have, and waits no longer. */
function directoryOf(caughtUp: (registered: (name: string) => void) => Promise<unknown>) {
  const modelIds = new Map<string, string>();
  const version = { held: new Set<string>() } as unknown as RegisteredVersion;
  const registry = (subject: string): unknown =>
    subject === CATALOG_SUBJECT ? { modelIds } : { versions: new Map([[1, version]]), aliases: new Map() };
  const waits: number[] = [];
  const nothing = (): void => undefined;
  const host: ModelHost = new ModelHost({
    resolve: (reference) => directory.resolve(reference),
    load: () => new Promise(nothing),
    maxBytes: 1,
    scheduler: {
      after: (milliseconds, run) => {
        waits.push(milliseconds);
        setImmediate(run);
        return nothing;
      },
    },
    observer: { loaded: nothing, swapped: nothing, failed: nothing, deferred: nothing, retired: nothing },
  });
  const directory: ServingDirectory = new ServingDirectory({
    ...{ host, registry, maxOnDemand: 4, loadWaitMs: LOAD_WAIT_MS, rollouts: new RolloutsInForce(), policies: new ServingPolicies() },
    caughtUp: () => caughtUp((name) => modelIds.set(name, name)),
  });
  return { directory, waits };
}

test('what the logs do not have is not there; where they could not be read to their end, nobody knows', async () => {
  const behind = directoryOf(() => Promise.reject(new Error('MR_POSITION_TIMEOUT')));
  const unsure = { code: 'MR_INFERENCE_LOADING', message: expect.stringContaining('try again in a second') };
  await expect(behind.directory.find('new', undefined)).rejects.toMatchObject(unsure);
  await expect(behind.directory.find('new', '2', 0)).rejects.toMatchObject(unsure);
  // No log can make this a version.
  await expect(behind.directory.find('new', 'two')).rejects.toMatchObject({ code: 'MR_INFERENCE_UNKNOWN_VERSION' });
  const { directory } = directoryOf(() => Promise.resolve());
  await expect(directory.find('new', undefined)).rejects.toMatchObject({ code: 'MR_INFERENCE_UNKNOWN_MODEL' });
});

test('what became known is taken although the logs were not read to their end', async () => {
  const { directory } = directoryOf((registered) => {
    registered('new');
    return Promise.reject(new Error('MR_POSITION_TIMEOUT'));
  });
  expect(await directory.find('new', undefined)).toMatchObject({ reference: 'models:/new/1' });
});

test.each([
  ['the time of a request', 5_000, 5_000],
  ['the directory’s own', 0, LOAD_WAIT_MS],
])('what was waited for the name is taken off what its model is waited for, of %s', async (_, waitMs, bound) => {
  const { directory, waits } = directoryOf(async (registered) => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    registered('new');
  });
  await directory.find('new', undefined, waitMs);
  expect(waits).toHaveLength(1);
  expect(waits[0]).toBeGreaterThan(0);
  expect(waits[0]).toBeLessThanOrEqual(bound - 50);
});
