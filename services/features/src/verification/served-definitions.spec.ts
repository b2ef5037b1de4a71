import { describe, expect, test } from '@jest/globals';
import { StandingStates, type FeatureViewDefinition, type ServicePlan } from '@millrace/feature-engine';
import { MemoryOnlineStore } from '@millrace/online-store';
import { ResourceCatalog, type Kind } from '@millrace/resources';
import { FeatureDefinitions } from '../definitions/feature-definitions.js';
import { ServedDefinitions, type ServedDefinition } from './served-definitions.js';

type Spec = Readonly<Record<string, unknown>>;
const SCHEMA = { id: 'String', at: 'DateTime64(3)', city: 'String', fare: 'Float64' };

/** A catalog with a source and an entity, what was served of it, and who finds the definition again. */
function house() {
  const catalog = new ResourceCatalog();
  const apply = (kind: Kind, name: string, spec: Spec, version = 1, pins?: Spec): void =>
    catalog.apply({
      type: 'ResourceApplied',
      data: { kind, name, spec, labels: {}, description: null, hash: `${version}`, version, ...(pins ? { pins } : {}) },
    });
  const remove = (kind: Kind, name: string): void => catalog.apply({ type: 'ResourceDeleted', data: { kind, name, version: 1 } });
  const view = (name: string, features: FeatureViewDefinition['features'], version = 1, pins: Spec = PINS): void =>
    apply('FeatureView', name, { entity: 'place', source: 'trips', features }, version, pins);
  apply('Source', 'trips', { topic: 'trips', eventTime: 'at', eventId: 'id', schema: SCHEMA });
  apply('Entity', 'place', { joinKeys: { city: 'String' } });
  /** A vector of a service as it is applied at this moment. */
  const serve = (featureService: string, names: readonly string[]) => {
    const plan = new FeatureDefinitions(catalog, new StandingStates(new MemoryOnlineStore())).service(featureService) as ServicePlan;
    const versions = Object.fromEntries([...plan.views, ...plan.onDemand].map((one) => [one.name, one.version]));
    return { deployment: '', featureService, versions, features: Object.fromEntries(names.map((name) => [name, 1])), isAgeless: false };
  };
  return { catalog, apply, remove, view, serve, find: (vector: ReturnType<typeof serve>) => new ServedDefinitions(catalog).of(vector) };
}
const PINS = { 'Source/trips': 1, 'Entity/place': 1 };
const COUNT = (window: string) => ({ name: 'rides', aggregate: 'count', window }) as const;
const FARE = { name: 'fare', aggregate: 'last', column: 'fare' } as const;

/** What a plan computes: `name in its view = window`. */
function told(found: ServedDefinition): string[] {
  if ('missing' in found) return [found.missing];
  return found.plan.features.map(({ view, name, feature }) => {
    const { windowMs, text } = view.features[feature] as { windowMs?: number; text?: string };
    return `${view.name}:${name} ${text ?? `${windowMs! / 3_600_000}h`}`;
  });
}

describe('the definition that served a vector', () => {
  test('is found among the versions of its views and of its service, under the names it had', () => {
    const { apply, view, serve, find } = house();
    view('rides', [COUNT('1h'), FARE]);
    apply('FeatureService', 'model', { features: ['rides'] }, 1, { 'FeatureView/rides': 1 });
    const first = serve('model', ['rides', 'fare']);
    view('rides', [COUNT('2h'), FARE], 2);
    apply('FeatureService', 'model', { features: ['rides'] }, 2, { 'FeatureView/rides': 2 });
    const second = serve('model', ['rides', 'fare']);
    const pinned = serve('model@1', ['rides', 'fare']);
    apply('FeatureService', 'model', { features: ['rides:rides'] }, 3, { 'FeatureView/rides': 2 });
    const third = serve('model', ['rides']);
    expect(Object.keys(pinned.versions)).toEqual(['rides@1']);
    expect(told(find(first))).toEqual(['rides:rides 1h', 'rides:fare 0h']);
    expect(told(find(second))).toEqual(['rides:rides 2h', 'rides:fare 0h']);
    expect(told(find(pinned))).toEqual(['rides@1:rides 1h', 'rides@1:fare 0h']);
    expect(told(find(third))).toEqual(['rides:rides 2h']);
    expect(find(first)).not.toBe(find(second));
  });

  test('is found after everything was deleted', () => {
    const { remove, apply, view, serve, find } = house();
    view('rides', [COUNT('1h')]);
    apply('FeatureService', 'model', { features: ['rides'] });
    const vector = serve('model', ['rides']);
    for (const [kind, name] of [
      ['FeatureService', 'model'],
      ['FeatureView', 'rides'],
      ['Entity', 'place'],
      ['Source', 'trips'],
    ] as const)
      remove(kind, name);
    expect(told(find(vector))).toEqual(['rides:rides 1h']);
  });

  test('of a view on demand is found by what it read, and by its version’s pins where nobody read it', () => {
    const { apply, view, serve, find } = house();
    view('rides', [COUNT('1h')]);
    view('fares', [
      { ...FARE, name: 'last_fare' },
      { ...COUNT('5h'), name: 'rides_5h' },
    ]);
    const crowd = (expression: string, version: number, pins: Spec): void =>
      apply(
        'FeatureView',
        'crowd',
        {
          inputs: ['rides', 'fares'],
          features: [
            { name: 'crowd', expression },
            { name: 'dear', expression: 'last_fare > 5' },
          ],
        },
        version,
        pins,
      );
    crowd('rides * 2', 1, { 'FeatureView/rides': 1, 'FeatureView/fares': 1 });
    apply('FeatureService', 'model', { features: ['crowd:crowd'] });
    const first = serve('model', ['crowd']);
    // The view that the service's feature does not read is not in the vector, and is another now.
    expect(Object.keys(first.versions).sort()).toEqual(['crowd', 'rides']);
    view('rides', [COUNT('2h')], 2);
    view('fares', [{ ...FARE, name: 'last_fare' }], 2);
    crowd('rides * 2', 2, { 'FeatureView/rides': 2, 'FeatureView/fares': 2 });
    crowd('rides * 3', 3, { 'FeatureView/rides': 2, 'FeatureView/fares': 2 });
    const found = find(first);
    expect(told(found)).toEqual(['crowd:crowd rides * 2']);
    expect('plan' in found && found.plan.views.map((one) => [one.name, one.longestWindowMs])).toEqual([['rides', 3_600_000]]);
    expect(told(find(serve('model', ['crowd'])))).toEqual(['crowd:crowd rides * 3']);
    expect(told(find({ ...first, versions: { ...first.versions, crowd: 'another' } }))).toEqual([
      'the definition by which feature view crowd was served is not in the log',
    ]);
  });

  test('is not guessed', () => {
    const { apply, view, serve, find } = house();
    view('a', [COUNT('1h'), FARE]);
    view('b', [COUNT('2h'), FARE]);
    apply('FeatureService', 'model', { features: ['a:rides', 'b:fare'] });
    const vector = serve('model', ['rides', 'fare']);
    expect(told(find(vector))).toEqual(['a:rides 1h', 'b:fare 0h']);
    // A name that is missing is a difference to be found, and no other definition.
    expect(told(find({ ...vector, features: { rides: 1 } }))).toEqual(['a:rides 1h', 'b:fare 0h']);
    apply('FeatureService', 'model', { features: ['b:rides', 'a:fare'] }, 2);
    expect(told(find(vector))).toEqual(['two versions of feature service model could have served it, by other features of the same names']);
    expect(told(find({ ...vector, versions: { a: vector.versions['a'] ?? '' } }))).toEqual([
      'no version of feature service model in the log has the views that were served',
    ]);
    expect(told(find({ ...vector, featureService: 'other' }))).toEqual(['feature service other is not in the log']);
    expect(told(find({ ...vector, featureService: 'model@7' }))).toEqual(['feature service model@7 is not in the log']);
    expect(told(find({ ...vector, versions: { a: 'x', b: 'y' } }))).toEqual([
      'the definition by which feature view a was served is not in the log',
    ]);
  });
});
