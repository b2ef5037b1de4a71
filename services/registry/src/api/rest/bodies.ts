import { bodySchema, textField } from '@millrace/service';
import { STAGES } from '../../domain/model/model.events.js';

const STAGE = textField('The stage; this, or `alias`. Of any case.', { examples: STAGES });
const ALIAS = textField('The alias.', { maxLength: 255 });
const VERSION = { type: 'integer', minimum: 1 };
const REASON = textField('Stands in the audit trail.', { maxLength: 2000 });
const ONE_TARGET = { oneOf: [{ required: ['stage'] }, { required: ['alias'] }] };

export const PROMOTION_REQUEST = bodySchema(
  {
    version: { ...VERSION, description: 'The version that is to be promoted.' },
    stage: STAGE,
    alias: ALIAS,
    archiveExisting: {
      type: 'boolean',
      description: 'Whether the versions that are in the stage are archived; as the policy has it unless given.',
    },
    reason: REASON,
  },
  { required: ['version'], rest: ONE_TARGET, examples: [{ version: 3, stage: 'Production', reason: 'better on the data of May' }] },
);

export const APPROVAL = bodySchema(
  { comment: textField('Stands in the audit trail.', { maxLength: 2000 }) },
  { examples: [{ comment: 'as discussed' }, {}] },
);

export const REJECTION = bodySchema({ reason: REASON }, { required: ['reason'], examples: [{ reason: 'the card has no licence' }] });

export const WITHDRAWAL = bodySchema({ reason: REASON }, { examples: [{ reason: 'a better one is trained' }, {}] });

export const PROMOTION = bodySchema({}, { examples: [{}] });

export const CHECK_RESULT = bodySchema(
  {
    check: textField('As the policy calls it.', { maxLength: 100 }),
    passed: { type: 'boolean', description: 'What came of it.' },
    detail: textField('A sentence for people.', { maxLength: 2000 }),
    evidence: {
      type: 'object',
      description: 'The numbers behind it.',
      additionalProperties: { type: ['string', 'number', 'boolean', 'null'] },
      maxProperties: 100,
    },
  },
  { required: ['check', 'passed'], examples: [{ check: 'fairness', passed: true, evidence: { gap: 0.01 } }] },
);

export const EVALUATION_REQUEST = bodySchema(
  { stage: STAGE, alias: ALIAS },
  { rest: { not: { required: ['stage', 'alias'] } }, examples: [{ stage: 'Production' }, {}] },
);

export const ROLLBACK_REQUEST = bodySchema(
  {
    stage: STAGE,
    alias: ALIAS,
    to: { ...VERSION, description: 'The version that had it; the one before unless given.' },
    reason: REASON,
  },
  { rest: { not: { required: ['stage', 'alias'] } }, examples: [{ stage: 'Production', reason: 'refunds doubled' }, {}] },
);
