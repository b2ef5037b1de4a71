import { KINDS, type AppliedDocument } from '@millrace/resources';
import { ROLES } from '../access/domain/keys/keys.events.js';
import type { TopicStatus } from '../events/status.js';
import type { Check, Warning } from '../host/health.js';
import { countField, enumField, flagField, momentField, namedSchema, NEXT_PAGE, objectOf, orNull } from './answer-schema.js';
import { listField, textField, type JsonSchema } from './body-schema.js';

const NAME_OR_NULL = (description: string): JsonSchema => textField(description, { type: ['string', 'null'] });
const ROLE = enumField('What it may do.', ROLES);

export const WHOAMI_ANSWER = objectOf({
  isRequired: flagField('Whether this process asks for credentials.'),
  workspace: textField('Whose process it is.'),
  actor: NAME_OR_NULL('Whom the log names for what you do; `null` where nobody is asked.'),
  role: enumField('What you may do.', ROLES),
  'by?': enumField('What you showed; absent where nobody is asked.', ['key', 'token', 'admin-key']),
  'keyId?': NAME_OR_NULL('Of an API key.'),
  'expiresAt?': orNull(momentField('When the API key ends; `null` for one that does not, and for other credentials.')),
});

const KEY_FIELDS = {
  keyId: textField('Names the key where its secret must not be.'),
  name: textField('What it is called.'),
  actor: textField('Whom the log names for what is done with it.'),
  workspace: textField('Where it holds; `*` is everywhere.'),
  role: ROLE,
  createdAt: momentField('When.'),
  createdBy: textField('By whom.'),
  expiresAt: orNull(momentField('When it ends; `null`: never.')),
  state: enumField('Only a live one is believed.', ['live', 'expired', 'revoked']),
  'revokedAt?': momentField('When it was revoked.'),
  'revokedBy?': textField('By whom.'),
  'reason?': NAME_OR_NULL('Why, where it was said.'),
};

export const KEY_ANSWER = namedSchema('ApiKey', objectOf(KEY_FIELDS));
export const KEYS_ANSWER = objectOf({ keys: listField('All there have been, the oldest first.', KEY_ANSWER), ...NEXT_PAGE });
export const NEW_KEY_ANSWER = objectOf({ ...KEY_FIELDS, key: textField('The secret, which no other answer has.') });

export const APPLY_ANSWER = objectOf({
  dryRun: flagField('Whether this only tells what would be done.'),
  documents: listField(
    'In their order.',
    objectOf<AppliedDocument>({
      kind: enumField('Of the resource.', KINDS),
      name: textField('Of the resource.'),
      outcome: enumField('What became of it.', ['created', 'configured', 'unchanged']),
      version: countField('Of the definition, from 1; it grows with each change.'),
      'position?': textField('Of the decision, `topic/partition@offset`; absent where nothing changed and in a dry run.'),
    }),
  ),
});

export const DELETED_ANSWER = objectOf({
  kind: enumField('Of the resource.', KINDS),
  name: textField('Of the resource.'),
  'version?': countField('The last there was; absent where it was deleted before.'),
  deleted: { const: true },
});

const TOPIC_KIND = enumField('What kind of records it has.', ['decisions', 'facts', 'source', 'outputs', 'dead-letters']);
const TOPIC_NAME = textField('Of the topic.');

export const TOPICS_ANSWER = objectOf({
  topics: listField(
    'Of this process’s services and of the sources that are applied.',
    objectOf<TopicStatus>({
      name: TOPIC_NAME,
      kind: TOPIC_KIND,
      holds: textField('What its records are, in words.'),
      partitions: listField(
        'By number.',
        objectOf<TopicStatus['partitions'][number]>({
          begin: countField('Offset of the first record that is kept.'),
          end: countField('Offset after the last record.'),
        }),
      ),
    }),
  ),
});

const CHECK = namedSchema(
  'ReadinessCheck',
  objectOf<Check>({
    name: textField('What is looked at: a dependency, or a reader that has to catch up.'),
    ok: flagField('Whether it is as it should be.'),
    'detail?': textField('What is missing.'),
  }),
);
const WARNING = namedSchema(
  'ReadinessWarning',
  objectOf<Warning>({
    name: textField('What is troubled.'),
    detail: textField('What does not work, or soon will not, and the mend.'),
  }),
);
const WARNINGS = listField('What does not work, or soon will not, while the rest does; readiness does not rest on it.', WARNING);
const COUNTED_TOPIC = objectOf({ name: TOPIC_NAME, kind: TOPIC_KIND, records: countField('Records that are kept.') });

export const STATUS_ANSWER = objectOf({
  service: textField('Which service the process is.'),
  live: flagField('As `/healthz` says.'),
  ready: flagField('As `/readyz` says.'),
  checks: listField('What readiness rests on.', CHECK),
  warnings: WARNINGS,
  topics: listField('Without those of dead letters.', COUNTED_TOPIC),
  deadLetters: listField('Topics of dead letters that have some.', COUNTED_TOPIC),
  resources: {
    ...objectOf(Object.fromEntries(KINDS.map((kind) => [kind, countField('How many are applied.')]))),
    description: 'How many resources of each kind are applied.',
  },
});

export const LIVE_ANSWER = objectOf({
  status: enumField('Whether the process is to be kept.', ['ok', 'dead']),
  fatal: listField(
    'Parts that ended and do not come back by themselves.',
    objectOf({ name: textField('The part.'), reason: textField('Why it ended.') }),
  ),
});

export const READY_ANSWER = objectOf({
  status: enumField('Whether requests are to be sent here.', ['ready', 'not ready']),
  missing: listField('The checks that are not ok.', CHECK),
  warnings: WARNINGS,
  checks: listField('All checks.', CHECK),
});

export const RESET_ANSWER = objectOf({ milliseconds: countField('How long it took.') });
