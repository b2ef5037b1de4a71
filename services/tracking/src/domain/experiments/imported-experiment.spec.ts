import { describe, expect, test } from '@jest/globals';
import { deciderSpec } from '@millrace/kernel/testing';
import { experiments, EXPERIMENTS, type ExperimentsCommand } from './experiments.decider.js';
import type { ExperimentsEvent } from './experiments.events.js';

const imported = (experimentId: string) => ({ origin: 'http://there', createdAt: 5, updatedAt: 7, experimentId });
const bring = (name: string, id: string): ExperimentsCommand => ({
  ...{ type: 'CreateExperiment', name, artifactLocation: null, artifactRoot: 'mlflow-artifacts:', tags: {}, imported: imported(id) },
});
const brought = (name: string, id: string, here = id): ExperimentsEvent => ({
  type: 'ExperimentCreated',
  data: { experimentId: here, name, artifactLocation: `mlflow-artifacts:/${here}`, tags: {}, imported: imported(id) },
});

describe('an experiment that is brought from another server', () => {
  const spec = deciderSpec(experiments, { subject: EXPERIMENTS, time: 1000, actor: 'importer' });

  test('keeps its times, and its id when that is free', () => {
    const state = spec.given().when(bring('flights', '12')).accepts(brought('flights', '12'));
    expect(state.byId.get('12')).toMatchObject({ createdAt: 5, updatedAt: 7 });
    expect(state.nextId).toBe(13);
  });

  test('gets the next id when its own is taken, or too long to count on from', () => {
    spec
      .given(brought('a', '12'))
      .when(bring('b', '12'))
      .accepts(brought('b', '12', '13'));
    spec
      .given(brought('a', '12'))
      .when(bring('b', '987654321098765432'))
      .accepts(brought('b', '987654321098765432', '13'));
    spec
      .given()
      .when(bring('b', '0'))
      .accepts(brought('b', '0', '1'));
  });

  test('finds its name taken, by whomever', () => {
    spec.given(brought('a', '12')).when(bring('a', '14')).rejects('MR_TRACKING_EXPERIMENT_NAME_TAKEN', { name: 'a' });
  });

  test('is known by its id there, and by what was changed here', () => {
    const renamed = (importedFrom?: string): ExperimentsEvent => ({
      type: 'ExperimentRenamed',
      data: { experimentId: '12', from: 'a', to: 'b', ...(importedFrom === undefined ? {} : { importedFrom }) },
    });
    const rename: ExperimentsCommand = { type: 'RenameExperiment', experimentId: '12', name: 'b', importedFrom: 'http://there' };
    const followed = spec.given(brought('a', '12')).when(rename).accepts(renamed('http://there'));
    expect(followed.byId.get('12')).toMatchObject({ name: 'b', imported: { origin: 'http://there', experimentId: '12' } });
    expect(followed.byId.get('12')?.imported?.changedHere).toBeUndefined();
    const { importedFrom: _, ...byHand } = rename;
    const state = spec.given(brought('a', '12')).when(byHand).accepts(renamed());
    expect(state.byId.get('12')?.imported?.changedHere).toEqual(new Set(['name']));
  });
});
