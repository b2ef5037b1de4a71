import { bodySchema, listField, textField } from '@millrace/service';

export const GARBAGE_REQUEST = bodySchema(
  {
    olderThan: textField('Only what was deleted so long ago, as MLflow’s own gc says it: `30d`, `1d2h3m4s`.'),
    runIds: listField('Only these runs.', { type: 'string' }, { maxItems: 10_000 }),
    experimentIds: listField('Only these experiments, with their runs.', { type: 'string' }, { maxItems: 10_000 }),
    dryRun: { type: 'boolean', default: false, description: 'Says what would go.' },
  },
  { examples: [{ olderThan: '30d', dryRun: true }] },
);
