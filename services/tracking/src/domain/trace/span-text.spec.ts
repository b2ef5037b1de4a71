import { describe, expect, test } from '@jest/globals';
import { MOST_SPAN_TEXT, spanText } from './span-text.js';

const text = (span: object, name = 'plan') => spanText({ name, span: JSON.stringify(span) });

describe('what is searched of a span', () => {
  test('its name, attributes, events and the message of its status, without the words of the format', () => {
    const attributes = [
      { key: 'question', value: { stringValue: 'why "late"?' } },
      { key: 'tries', value: { intValue: '3' } },
      { key: 'tools', value: { arrayValue: { values: [{ stringValue: 'clock' }, { boolValue: true }] } } },
      { key: 'user', value: { kvlistValue: { values: [{ key: 'id', value: { intValue: '7' } }] } } },
      { key: 'nothing' },
    ];
    const events = [{ name: 'retry', attributes: [{ key: 'after', value: { doubleValue: 0.5 } }] }];
    expect(text({ attributes, events, status: { code: 2, message: 'too late' } })).toBe(
      'plan\nquestion: why "late"?\ntries: 3\ntools: clock, true\nuser: id: 7\nnothing: \nretry\nafter: 0.5\ntoo late',
    );
  });

  test('of a bare span its name, of a long one the beginning', () => {
    expect(text({})).toBe('plan');
    expect(text({ attributes: [{ key: 'a', value: { stringValue: 'x'.repeat(2 * MOST_SPAN_TEXT) } }] })).toHaveLength(MOST_SPAN_TEXT);
  });
});
