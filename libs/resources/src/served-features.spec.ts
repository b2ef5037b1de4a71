import { describe, expect, test } from '@jest/globals';
import { compileView, StandingStates, viewKey } from '@millrace/feature-engine';
import { createHash } from 'node:crypto';
import { applyDocuments, type ApplyContext } from './apply-documents.js';
import { viewResources } from './feature-references.js';
import { ServedFeatures } from './served-features.js';
import { context, METADATA } from './testing/one-replica.js';

const documents = (kind: string, name: string, spec: string): string =>
  `apiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n---\n`;
const SOURCE = (topic = 'trips'): string =>
  documents('Source', 'trips', `{topic: ${topic}, eventTime: at, schema: {at: DateTime64(3), city: String, fare: Float64}}`);
const PLACE = documents('Entity', 'place', '{joinKeys: {city: String}}');
/** Each span is a state of its own. */
const RIDES = (span: string, features = '{name: fare, aggregate: last, column: fare}'): string =>
  documents('FeatureView', 'rides', `{entity: place, source: trips, span: ${span}, features: [${features}]}`);
const BOTH = '{name: fare, aggregate: last, column: fare}, {name: rides, aggregate: count, window: 1h}';
const CHECKS = (text: string): string =>
  documents('FeatureView', 'checks', `{inputs: [rides], features: [{name: check, expression: ${text}}]}`);
const MODEL = (features: string): string => documents('FeatureService', 'model', `{features: [${features}]}`);

let commands = 0;

/** Definitions as a process serves them, with what the store notes. */
class Served {
  readonly house: ApplyContext = context();
  readonly #notes = new Map<string, Buffer>();
  readonly states = new StandingStates({
    getMany: (keys) => Promise.resolve(keys.map((key) => this.#notes.get(key.toString()) ?? null)),
  });
  readonly features = new ServedFeatures(this.house.catalog, this.states);

  async apply(text: string): Promise<void> {
    const result = await applyDocuments(text, { ...METADATA, commandId: `s${commands++}` }, this.house, false);
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    this.features.forget();
  }

  /** The store notes that `rides` stands for the state of this version. */
  async stands(reference: string): Promise<void> {
    const found = viewResources(this.house.catalog, reference);
    if (!found) throw new Error(reference);
    this.#notes.set(viewKey('rides').toString(), compileView(found.view, found.entity, found.source).stateHash);
    if (await this.states.look(['rides'])) this.features.forget();
  }

  names(service: string): string[] | undefined {
    return this.features.service(service)?.features.map(({ view, name }) => `${view.name}:${name}`);
  }
}

describe('what a name is answered from', () => {
  test('a changed view, and a service that asks it for more, stand for what served before until the new state is noted', async () => {
    const served = new Served();
    await served.apply(`${SOURCE()}${PLACE}${RIDES('1h')}${MODEL('rides')}`);
    const first = served.features.view('rides')?.version;
    await served.stands('rides');
    await served.apply(`${RIDES('2h', BOTH)}${MODEL('"rides:rides", "rides:fare"')}`);
    expect(served.features.heldVersion('rides')).toBe(1);
    expect(served.features.isSettled('rides')).toBe(false);
    expect(served.features.view('rides')?.version).toBe(first);
    expect(served.names('model')).toEqual(['rides:fare']);
    // Changed once more, it still stands for what is there.
    await served.apply(RIDES('3h', BOTH));
    expect(served.features.heldVersion('rides')).toBe(1);
    await served.stands('rides');
    expect(served.features.heldVersion('rides')).toBeUndefined();
    expect(served.features.isSettled('rides')).toBe(true);
    expect(served.names('model')).toEqual(['rides:rides', 'rides:fare']);
    expect(served.names('model@1')).toEqual(['rides@1:fare']);
  });

  test('what is computed on demand is computed as it was, from what served before', async () => {
    const served = new Served();
    await served.apply(`${SOURCE()}${PLACE}${RIDES('1h')}${CHECKS('fare * 2')}${MODEL('checks')}`);
    await served.stands('rides');
    const before = served.features.servedView('checks')?.version;
    await served.apply(`${RIDES('2h', BOTH)}${CHECKS('fare / rides')}`);
    expect(served.features.servedView('checks')?.version).toBe(before);
    expect(served.names('model')).toEqual(['checks:check']);
    await served.stands('rides');
    expect(served.features.servedView('checks')?.version).not.toBe(before);
  });

  test('a view that shares its state, is new, or reads another topic stands for what is applied', async () => {
    const served = new Served();
    await served.apply(`${SOURCE()}${PLACE}${RIDES('1h')}`);
    expect([served.features.heldVersion('rides'), served.features.isSettled('rides')]).toEqual([undefined, false]);
    await served.stands('rides');
    await served.apply(RIDES('1h', '{name: fare, aggregate: last, column: fare}, {name: same, aggregate: last, column: fare}'));
    expect(served.features.view('rides')?.features).toHaveLength(2);
    await served.apply(SOURCE('others'));
    expect(served.features.heldVersion('rides')).toBeUndefined();
    expect(served.features.view('rides')?.source.topic).toBe('others');
  });

  test('what needs a state that is not up can be asked for later', async () => {
    const served = new Served();
    await served.apply(`${SOURCE()}${PLACE}${RIDES('1h')}`);
    await served.stands('rides');
    const old = served.states.of('rides') as Buffer;
    await served.apply(`${RIDES('2h', BOTH)}${MODEL('"rides:rides"')}`);
    const asking = (): unknown => served.features.service('model');
    expect(asking).toThrow('feature service model needs a feature view that is still being filled (');
    expect(asking).toThrow(expect.objectContaining({ code: 'MR_FEATURES_BEING_FILLED', retryable: true }));
    expect(served.features.isKnown('rides', old)).toBe(true);
    expect(served.features.isKnown('rides', Buffer.alloc(8))).toBe(false);
    await served.stands('rides');
    expect(served.names('model')).toEqual(['rides:rides']);
  });

  test('what cannot be compiled for another reason says so', async () => {
    const served = new Served();
    await served.apply(`${SOURCE()}${PLACE}${RIDES('1h')}${MODEL('rides')}`);
    await served.stands('rides');
    const data = { kind: 'FeatureService', name: 'model', spec: { features: ['rides:gone'] }, labels: {}, description: null, version: 2 };
    served.house.catalog.apply({ type: 'ResourceApplied', data: { ...data, hash: createHash('sha256').digest('hex') } });
    served.features.forget();
    expect(() => served.features.service('model')).toThrow('feature service model: feature view rides has no feature gone');
    expect(served.features.service('nobody')).toBeUndefined();
  });
});
