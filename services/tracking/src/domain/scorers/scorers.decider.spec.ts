import { describe, expect, test } from '@jest/globals';
import { SCORERS, scorers, type Scorers, type ScorersCommand } from './scorers.decider.js';
import type { ScorersEvent } from './scorers.events.js';

const context = { subject: `${SCORERS}/1`, commandId: 'c', time: 9, actor: 'ann' };

function given(...events: ScorersEvent[]) {
  const state = events.reduce<Scorers>(
    (folded, event, index) => scorers.evolve(folded, event, { ...context, time: index, sequence: index + 1 }),
    scorers.initial(),
  );
  return { state, when: (command: ScorersCommand) => scorers.decide(command, state, context) };
}

const registered = (version: number, name = 'polite'): ScorersEvent => ({
  type: 'ScorerRegistered',
  data: { scorerId: name, name, version, serialized: '{}' },
});
const deleted = (version: number | null): ScorersEvent => ({ type: 'ScorerDeleted', data: { name: 'polite', version } });
const register: ScorersCommand = { type: 'RegisterScorer', scorerId: 'new', name: 'polite', serialized: '{}' };

describe('the scorers of an experiment', () => {
  test('versions count up and keep the id of their name', () => {
    expect(given().when(register)).toMatchObject({ event: { data: { scorerId: 'new', version: 1 } } });
    expect(given(registered(1), registered(2)).when(register)).toMatchObject({ event: { data: { scorerId: 'polite', version: 3 } } });
    expect(given(registered(1), registered(2), deleted(2)).when(register)).toMatchObject({ event: { data: { version: 3 } } });
    expect(given(registered(1), deleted(null)).when(register)).toMatchObject({ event: { data: { scorerId: 'new', version: 1 } } });
  });

  test('one version is deleted, or all; the last one takes the scorer with it', () => {
    expect(given(registered(1), registered(2), deleted(1)).state.get('polite')?.versions.size).toBe(1);
    expect(given(registered(1), deleted(1)).state.size).toBe(0);
    expect(given(registered(1), registered(2), registered(1, 'short'), deleted(null)).state.size).toBe(1);
  });

  test.each([
    ['a name', 'rude', null],
    ['a version', 'polite', 7],
  ])('%s that is not there cannot be deleted', (_what, name, version) => {
    expect(given(registered(1)).when({ type: 'DeleteScorer', name, version })).toMatchObject({
      rejection: { code: 'MR_TRACKING_SCORER_NOT_FOUND', message: expect.stringContaining(`'${name}'`) },
    });
  });

  test('what is said last about judging new traces counts, for as long as there is the scorer', () => {
    const online = { configId: 'c', sampleRate: 0.5, filterString: null };
    const configure: ScorersCommand = { type: 'ConfigureOnlineScoring', name: 'polite', ...online };
    expect(given().when(configure)).toMatchObject({ rejection: { code: 'MR_TRACKING_SCORER_NOT_FOUND' } });
    const configured = given(registered(1)).when(configure);
    expect(configured).toMatchObject({ event: { type: 'OnlineScoringConfigured', data: online } });
    const event: ScorersEvent = { type: 'OnlineScoringConfigured', data: { name: 'polite', ...online } };
    expect(given(registered(1), event).state.get('polite')?.online).toEqual(online);
    expect(given(registered(1), event, deleted(null), registered(1)).state.get('polite')?.online).toBeUndefined();
  });

  test('there are not more than can be read at once', () => {
    const full = given(...Array.from({ length: 1000 }, (_, index) => registered(index + 1)));
    expect(full.when(register)).toMatchObject({ rejection: { code: 'MR_TRACKING_SCORERS_FULL' } });
  });
});
