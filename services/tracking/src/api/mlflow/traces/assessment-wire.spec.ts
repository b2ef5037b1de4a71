import { describe, expect, test } from '@jest/globals';
import { changedAssessment } from './assessment-wire.js';

const NOW = '2026-01-02T00:00:00.000Z';
const FEEDBACK = {
  assessment_id: 'a-1',
  assessment_name: 'q',
  feedback: { value: 1 },
  metadata: { by: 'me', of: 'x' },
  source: { source_id: 's' },
};

describe('a change of an assessment', () => {
  test('takes what may change, and leaves its source and its id', () => {
    const given = { assessment_name: 'r', feedback: { value: 2 }, rationale: 'why', source: { source_id: 'other' }, assessment_id: 'a-2' };
    expect(changedAssessment(FEEDBACK, given, NOW)).toEqual({
      ...FEEDBACK,
      ...{ assessment_name: 'r', feedback: { value: 2 }, rationale: 'why', last_update_time: NOW },
    });
  });

  test('keeps the metadata it does not tell', () => {
    expect(changedAssessment(FEEDBACK, { metadata: { of: 'y', more: 'z' } }, NOW)['metadata']).toEqual({ by: 'me', of: 'y', more: 'z' });
    expect(changedAssessment({ expectation: { value: 1 } }, { rationale: 'why' }, NOW)).not.toHaveProperty('metadata');
  });

  test('cannot make an expectation of feedback, which no client could read', () => {
    expect(() => changedAssessment(FEEDBACK, { expectation: { value: 1 } }, NOW)).toThrow('Cannot update expectation value');
    expect(() => changedAssessment({ expectation: { value: 1 } }, { feedback: { value: 1 } }, NOW)).toThrow(
      'an assessment that is expectation',
    );
    expect(changedAssessment(FEEDBACK, { expectation: null, rationale: 'why' }, NOW)).toMatchObject({
      feedback: { value: 1 },
      rationale: 'why',
    });
  });
});
