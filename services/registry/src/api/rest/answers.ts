import {
  anyField,
  countField,
  enumField,
  flagField,
  listField,
  mapField,
  momentField,
  namedSchema,
  NEXT_PAGE,
  numberField,
  objectOf,
  orNull,
  textField,
  type JsonSchema,
} from '@millrace/service';
import type { Unmet } from '../../domain/governance/unmet.js';
import { STAGES } from '../../domain/model/model.events.js';
import { DELIVERY_OUTCOMES } from '../../domain/webhooks/deliveries.js';
import type { AuditEntry } from '../../queries/audit.query.js';
import type { Integrity } from '../../queries/integrity.query.js';
import { LINEAGE_KINDS, type LineageEdge, type LineageNode } from '../../queries/lineage.query.js';
import type { DeliveryStatus } from '../../queries/open-lineage.query.js';
import type { DeliveryView } from '../../queries/webhook-deliveries.query.js';

export const NO_MODEL = { 404: 'There is no such registered model.' };
export const NO_VERSION = { 404: 'There is no such registered model, or no such version of it.' };
export const NO_PROMOTION = { 404: 'There is no such registered model, or no such promotion request of it.' };
export const NO_WEBHOOK = { 404: 'There is no such webhook.' };

const maybeText = (description: string): JsonSchema => textField(description, { type: ['string', 'null'] });
const MODEL = textField('The registered model’s name.');
const VERSION = countField('The version’s number, from 1.');
const SHA256 = (description: string): JsonSchema => textField(`${description} SHA-256, hexadecimal.`);
const AUDIT_ENTRY = namedSchema(
  'AuditEntry',
  objectOf<AuditEntry & { model?: string }>({
    time: momentField('When it was decided.'),
    actor: textField('Who decided it.'),
    keyId: maybeText('Id of the API key the actor showed, where it was one.'),
    domain: textField('Which part of the platform: `registry`, `tracking`, `resources`, `access` …'),
    type: textField('What was decided: the event’s type, as `VersionMoved`.'),
    subject: textField('What it is about, as `model/<id>` or `resource/Deployment/fares`.'),
    sequence: countField('Its number among the decisions of its subject, from 1.'),
    reason: maybeText('Why, where somebody said so.'),
    data: anyField('What the event holds; its schema is in the AsyncAPI document of the log.'),
    commandId: textField('Of the command that led to it: the request’s `Idempotency-Key`, where it had one.'),
    position: textField('Where it is on the log, `topic/partition@offset`.'),
    'model?': textField('The name of the registered model it is about.'),
  }),
);
const ENTRIES = listField('By time, as `order` says.', AUDIT_ENTRY);
export const AUDIT_ANSWER = objectOf({ entries: ENTRIES, ...NEXT_PAGE });
export const MODEL_HISTORY_ANSWER = objectOf({ model: MODEL, entries: ENTRIES, ...NEXT_PAGE });

const STAGE_TARGET = objectOf({ stage: enumField('The stage.', STAGES) });
const ALIAS_TARGET = objectOf({ alias: textField('The alias.') });

export const PROMOTION_ANSWER = namedSchema(
  'Promotion',
  objectOf({
    model: MODEL,
    request: countField('Its number among the requests of the model, from 1.'),
    version: countField('The version that is to be promoted.'),
    target: { oneOf: [STAGE_TARGET, ALIAS_TARGET], description: 'Where it is to go.' },
    archiveOthers: flagField('Whether the versions that are in the stage are archived.'),
    reason: textField('Why it was asked for; empty where nobody said so.'),
    policies: listField(
      'That were in force when it was asked for.',
      objectOf({ name: textField('Of the Policy.'), version: countField('Of its definition.') }),
    ),
    status: enumField('How it stands.', ['open', 'promoted', 'rejected', 'withdrawn', 'expired']),
    requestedBy: textField('Who asked for it.'),
    requestedAt: momentField('When.'),
    expiresAt: orNull(momentField('When it expires unless it is closed before; `null` for a time that RFC 3339 has no year for.')),
    approvals: listField(
      'One by each approver.',
      objectOf({ actor: textField('Who approved it.'), at: momentField('When.'), comment: textField('May be empty.') }),
    ),
    'unmet?': listField(
      'While it is open: what the policies still ask for; empty when it may be carried out.',
      objectOf<Unmet>({
        policy: textField('Which asks for it.'),
        what: enumField('What is missing.', ['stage', 'requester', 'approvals', 'check']),
        message: textField('In words.'),
        'check?': textField('Of a check: its name.'),
        'isOpen?': flagField('Of a check: there is no result yet, or one that counts no more.'),
      }),
    ),
    'closedBy?': maybeText('Who closed it.'),
    'closedAt?': momentField('When it was closed.'),
    'closingReason?': maybeText('Why it was closed.'),
  }),
);
export const PROMOTIONS_ANSWER = objectOf({
  promotions: listField('In the order they were asked for, by model.', PROMOTION_ANSWER),
  ...NEXT_PAGE,
});

export const CHECKS_ANSWER = objectOf({
  model: MODEL,
  version: VERSION,
  checks: listField(
    'The last result of each, the newest at the end.',
    objectOf({
      version: VERSION,
      check: textField('As the policy calls it.'),
      passed: flagField('What came of it.'),
      detail: textField('A sentence for people; may be empty.'),
      evidence: mapField('The numbers behind it.', { type: ['string', 'number', 'boolean', 'null'] }),
      against: { ...orNull(countField('The version it was compared with.')) },
      source: enumField('Whether the registry looked itself, or the actor says so.', ['evaluated', 'reported']),
      'policy?': textField('Of an evaluated one: the Policy whose check it is.'),
      actor: textField('Who made or reported it.'),
      at: momentField('When.'),
    }),
  ),
});

const ROLLED_BACK = orNull(countField('The version that had it until now.'));
export const ROLLBACK_ANSWER = {
  oneOf: [
    objectOf({
      model: MODEL,
      alias: textField('Which alias was given back.'),
      version: countField('The version that has it now.'),
      rolledBack: ROLLED_BACK,
    }),
    objectOf({
      model: MODEL,
      stage: enumField('Which stage was given back.', STAGES),
      version: countField('The version that has it now.'),
      rolledBack: ROLLED_BACK,
    }),
  ],
};

const COLUMN = objectOf({
  name: textField('Of the tensor or column; empty where it has none.'),
  type: textField('As the signature has it.'),
});
const SECTIONS = ['description', 'intendedUse', 'licence', 'trainingData', 'parameters', 'metrics', 'signature', 'limitations'];

export const CARD_ANSWER = objectOf({
  name: MODEL,
  version: VERSION,
  stage: enumField('The stage it is in.', STAGES),
  aliases: listField('It has now.'),
  registeredBy: textField('Who registered it.'),
  registeredAt: orNull(momentField('When; `null` for a time that RFC 3339 has no year for.')),
  modelDescription: maybeText('Of the model.'),
  description: maybeText('Of the version.'),
  tags: mapField('Of the version over those of the model.', { type: 'string' }),
  digest: maybeText('SHA-256 of its files, hexadecimal.'),
  signedBy: maybeText('The id of the key that signed it.'),
  flavours: listField('Of its MLmodel file.'),
  inputs: listField('By its signature.', COLUMN),
  outputs: listField('By its signature.', COLUMN),
  fileLicence: maybeText('That its files name.'),
  run: {
    ...orNull(
      namedSchema(
        'CardRun',
        objectOf({
          runId: textField('The run that made it.'),
          name: textField('The run’s name.'),
          datasets: listField(
            'Inputs that were logged to it.',
            objectOf({
              name: textField('Of the dataset.'),
              digest: textField('As the client gave it.'),
              context: maybeText('What it was used for.'),
            }),
          ),
          trainingSets: listField('Ids of the training sets it names.'),
          params: mapField('By key.', { type: 'string' }),
          metrics: mapField('The last value of each.', { type: ['number', 'null'] }),
        }),
      ),
    ),
    description: 'The run it came from; `null` where none is known.',
  },
  checks: listField(
    'The last result of each.',
    objectOf({
      check: textField('As the policy calls it.'),
      passed: flagField('What came of it.'),
      detail: textField('A sentence for people.'),
      actor: textField('Who made or reported it.'),
    }),
  ),
  deployments: listField('That serve it.'),
  licence: maybeText('By the tag `licence`, or its files.'),
  intendedUse: maybeText('By the tag `intended_use`.'),
  limitations: maybeText('By the tag `limitations`.'),
  gaps: listField(
    'What the card should say and nobody has said.',
    objectOf({ section: enumField('Of the card.', SECTIONS), mend: textField('How to close it.') }),
  ),
});

const SIGNING_KEY = objectOf({
  keyId: SHA256('Of the public key’s PEM.'),
  algorithm: enumField('Its curve.', ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521']),
  pem: textField('The public key.'),
});
export const SIGNING_KEYS_ANSWER = objectOf({ keys: listField('The server’s own, and those it is told to believe.', SIGNING_KEY) });

export const BUNDLE_ANSWER: JsonSchema = {
  type: 'object',
  description: 'A Sigstore bundle of OpenSSF’s model signing format; `model_signing` verifies it.',
};

export const FILES_ANSWER = objectOf({
  model: MODEL,
  version: VERSION,
  files: listField(
    'By path.',
    objectOf({
      path: textField('Below the version; a dot where it is one file.'),
      size: countField('Bytes.'),
      'name?': textField('Of an only file: what it can be fetched by too.'),
    }),
  ),
});

export const INTEGRITY_ANSWER = objectOf<Integrity>({
  model: MODEL,
  version: VERSION,
  intact: flagField(
    'Whether its files are those that were signed, by a key that is believed; of an unsigned one, those that were uploaded.',
  ),
  signature: enumField('By a believed key, by none, by another key, or not what the log says.', [
    'signed',
    'unsigned',
    'untrusted',
    'broken',
  ]),
  keyId: maybeText('The key that signed it.'),
  reason: maybeText('What is wrong with the manifest.'),
  files: listField('As they are now.', objectOf({ name: textField('Path below the version.'), sha256: SHA256('Of its bytes.') })),
  differences: listField(
    'To what was signed.',
    objectOf<Integrity['differences'][number]>({
      file: textField('Path below the version.'),
      kind: enumField('Other bytes, signed and gone, or there and not signed.', ['changed', 'missing', 'added']),
      expected: maybeText('SHA-256 that was signed.'),
      actual: maybeText('SHA-256 now.'),
    }),
  ),
  sinceUpload: listField(
    'Files that are others than when they were uploaded.',
    objectOf<Integrity['sinceUpload'][number]>({
      file: textField('Path below the version.'),
      uploaded: SHA256('Then.'),
      actual: SHA256('Now.'),
    }),
  ),
});

export const SIGNED_ANSWER = objectOf({ model: MODEL, version: VERSION, keyId: maybeText('The key that signed it.') });

export const LINEAGE_ANSWER = objectOf({
  direction: enumField('As it was asked for.', ['upstream', 'downstream', 'both']),
  depth: countField('Steps, as it was asked for.'),
  node: textField('Where it begins, with the version a name means now.'),
  nodes: listField(
    'What was found, that one included.',
    objectOf<LineageNode>({
      id: textField('`<kind>:<name>`.'),
      kind: enumField('What it is.', LINEAGE_KINDS),
      label: textField('What people call it.'),
    }),
  ),
  edges: listField(
    'Between them.',
    objectOf<LineageEdge>({ from: textField('The id of what went in.'), to: textField('The id of what it went into.') }),
  ),
  truncated: flagField('There is more than `depth` or the bound of 2,000 nodes let in.'),
});

export const LINEAGE_EVENTS_ANSWER = objectOf({
  events: listField('The oldest first.', { type: 'object', description: 'A RunEvent, JobEvent or DatasetEvent of OpenLineage 2-0-2.' }),
  ...NEXT_PAGE,
});

export const LINEAGE_DELIVERY_ANSWER: JsonSchema = {
  oneOf: [
    objectOf({ isOn: { const: false, description: 'Nothing is sent anywhere.' } }),
    objectOf<DeliveryStatus & { isOn: true }>({
      isOn: { const: true },
      delivered: countField('Events that the receiver took since this process began.'),
      refused: listField(
        'The last that it refused.',
        objectOf({ eventId: textField('Of the event.'), reason: textField('What it answered.'), at: momentField('When.') }),
      ),
      failure: {
        ...orNull(
          namedSchema(
            'LineageDeliveryFailure',
            objectOf({ reason: textField('In words.'), since: momentField('When it began.'), retries: numberField('So far.') }),
          ),
        ),
        description: 'Why nothing goes out now; `null` where it does.',
      },
    }),
  ],
};

export const WEBHOOKS_ANSWER = objectOf({
  webhooks: listField(
    'The oldest first.',
    objectOf({
      webhookId: textField('Names it in paths.'),
      name: textField('What it is called.'),
      url: textField('The receiver.'),
      events: listField(
        'What it is told of.',
        objectOf({ entity: textField('As `MODEL_VERSION`.'), 'action?': textField('As `CREATED`.') }),
      ),
      'description?': textField('Where it has one.'),
      status: enumField('Whether it is told.', ['ACTIVE', 'DISABLED']),
      createdAt: momentField('When it was made.'),
      updatedAt: momentField('When it was last changed.'),
    }),
  ),
  ...NEXT_PAGE,
});

export const DELIVERIES_ANSWER = objectOf({
  deliveries: listField(
    'The newest first.',
    objectOf<DeliveryView>({
      deliveryId: textField('Names it for receivers, which pass over one they have seen.'),
      event: textField('What it tells, as `model_version.created`.'),
      outcome: enumField('`queued`, or how the last attempt ended.', ['queued', ...DELIVERY_OUTCOMES]),
      attempts: countField('So far.'),
      lastStatus: orNull(countField('What the receiver last answered; `null` where it did not.')),
      lastError: maybeText('Why the last attempt failed.'),
      occurredAt: momentField('When what it tells happened.'),
      changedAt: momentField('When its outcome was last changed.'),
    }),
  ),
});
export const REDELIVERY_ANSWER = objectOf({ deliveryId: textField('Of the new delivery.') });
