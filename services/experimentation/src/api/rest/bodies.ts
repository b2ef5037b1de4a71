import { bodySchema, listField, textField, timeField } from '@millrace/service';

export const ASSIGNMENT_REQUEST = bodySchema(
  { units: listField('Whom or what to assign.', { type: 'string' }, { maxItems: 10_000 }) },
  { required: ['units'], open: true, examples: [{ units: ['user-1', 'user-2'] }] },
);

const FACT = {
  unit: textField('Who or what it is about.', { minLength: 1 }),
  time: timeField('Now unless given.'),
  id: textField('The same fact again has the same id, and counts once.'),
};

export const EXPOSURE = bodySchema(
  { ...FACT, variant: textField('What was met; the assigned one unless given.'), deployment: textField('Where.') },
  { required: ['unit'], open: true, examples: [{ unit: 'user-1' }, { unit: 'user-2', time: '2026-01-31T12:00:00Z', id: 'exposure-2' }] },
);

export const OUTCOME = bodySchema(
  {
    ...FACT,
    metric: textField('A metric of the experiment.'),
    value: { type: ['number', 'boolean'], description: 'What was measured; true is 1.' },
  },
  { required: ['unit', 'metric', 'value'], open: true, examples: [{ unit: 'user-1', metric: 'bought', value: true }] },
);
