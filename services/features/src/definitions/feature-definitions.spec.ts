import { expect, test } from '@jest/globals';
import { StandingStates, type FeatureViewDefinition } from '@millrace/feature-engine';
import { MemoryOnlineStore } from '@millrace/online-store';
import { ResourceCatalog, type Kind } from '@millrace/resources';
import { FeatureDefinitions } from './feature-definitions.js';

const SCHEMA = { id: 'String', at: 'DateTime64(3)', city: 'String', fare: 'Float64' };
const PINS = { 'Source/trips': 1, 'Entity/place': 1 };

function house(): { definitions: FeatureDefinitions; apply: (kind: Kind, name: string, spec: object, version?: number) => void } {
  const catalog = new ResourceCatalog();
  const apply = (kind: Kind, name: string, spec: object, version = 1): void =>
    catalog.apply({
      type: 'ResourceApplied',
      data: {
        kind,
        name,
        spec,
        labels: {},
        description: null,
        hash: `${version}`,
        version,
        ...(kind === 'FeatureView' ? { pins: PINS } : {}),
      },
    });
  apply('Source', 'trips', { topic: 'trips', eventTime: 'at', eventId: 'id', schema: SCHEMA });
  apply('Entity', 'place', { joinKeys: { city: 'String' } });
  return { definitions: new FeatureDefinitions(catalog, new StandingStates(new MemoryOnlineStore())), apply };
}

const view = (span: string, ...names: string[]): object => {
  const features: FeatureViewDefinition['features'] = names.map((name) => ({ name, aggregate: 'last', column: 'fare' }));
  return { entity: 'place', source: 'trips', span, features };
};

test('what an earlier version of a service reads is kept while it stands for the newest', () => {
  const { definitions, apply } = house();
  apply('FeatureView', 'base', view('1h', 'x'));
  apply('FeatureView', 'base', view('2h', 'x'), 2);
  apply('FeatureView', 'rides', view('1h', 'n'));
  apply('FeatureService', 'model', { features: ['base@1:x', 'rides:n'] });
  const old = definitions.view('rides')?.stateHash as Buffer;
  definitions.states.note('rides', old);
  definitions.statesChanged();
  apply('FeatureView', 'rides', view('2h', 'n', 'more'), 2);
  apply('FeatureService', 'model', { features: ['base@2:x', 'rides:more'] }, 2);
  expect(definitions.online.service('model')?.features.map((feature) => `${feature.view.name}:${feature.name}`)).toEqual([
    'base@1:x',
    'rides:n',
  ]);
  expect(definitions.keptViews().map(({ name }) => name)).toEqual(['base', 'rides', 'base@1', 'base@2', 'rides@1']);
  definitions.states.note('rides', definitions.view('rides')?.stateHash as Buffer);
  definitions.statesChanged();
  expect(definitions.keptViews().map(({ name }) => name)).toEqual(['base', 'rides', 'base@2']);
});

test('a version is filled by the places that its source’s columns have now, and not at all where the source means something else', () => {
  const { definitions, apply } = house();
  apply('FeatureView', 'rides', view('1h', 'n'));
  apply('FeatureView', 'rides', view('2h', 'n'), 2);
  apply('FeatureService', 'pinned', { features: ['rides@1'] });
  const keyOf = (): (number | undefined)[] => definitions.filledViews('trips').map(({ joinKeys }) => joinKeys[0]?.source);
  expect(keyOf()).toEqual([2, 2]);
  apply('Source', 'trips', { topic: 'trips', eventTime: 'at', eventId: 'id', schema: { tip: 'Float64', ...SCHEMA } }, 2);
  expect(keyOf()).toEqual([3, 3]);
  apply('Source', 'trips', { topic: 'others', eventTime: 'at', eventId: 'id', schema: SCHEMA }, 3);
  expect(definitions.filledViews('trips').map(({ name }) => name)).toEqual(['rides']);
});
