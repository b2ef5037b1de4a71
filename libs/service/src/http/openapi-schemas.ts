import { kindSchema } from '@millrace/contracts';
import { API_VERSION, KINDS, NAME_PATTERN } from '@millrace/resources';

type Schema = Readonly<Record<string, unknown>>;

const text = (description: string): Schema => ({ type: 'string', description });

/** The shapes that routes share: errors, and resources of every kind with their specs as `schemas/resources` has them. */
export function sharedSchemas(): Record<string, Schema> {
  const schemas: Record<string, Schema> = { Problem: PROBLEM, MlflowError: MLFLOW_ERROR, Metadata: METADATA };
  for (const kind of KINDS) {
    const { $schema: _dialect, $id: _id, ...spec } = (kindSchema(kind) ?? { type: 'object' }) as Schema;
    schemas[`${kind}Spec`] = spec;
    schemas[kind] = {
      type: 'object',
      properties: { apiVersion: { const: API_VERSION }, kind: { const: kind }, metadata: ref('Metadata'), spec: ref(`${kind}Spec`) },
      required: ['apiVersion', 'kind', 'metadata', 'spec'],
    };
  }
  const mapping = Object.fromEntries(KINDS.map((kind) => [kind, ref(kind).$ref]));
  schemas['Resource'] = { oneOf: KINDS.map(ref), discriminator: { propertyName: 'kind', mapping } };
  schemas['Resources'] = { oneOf: [ref('Resource'), { type: 'array', items: ref('Resource') }] };
  schemas['AppliedResource'] = { allOf: [ref('Resource'), { type: 'object', properties: { status: STATUS }, required: ['status'] }] };
  schemas['ResourceList'] = {
    type: 'object',
    properties: {
      resources: { type: 'array', items: ref('AppliedResource') },
      nextPageToken: text('Of the next page, where there is one.'),
    },
    required: ['resources'],
  };
  return schemas;
}

export function ref(name: string): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

const PROBLEM: Schema = {
  type: 'object',
  description: 'RFC 9457. People read `detail`, programs read `code`, which is stable.',
  properties: {
    type: text('`urn:millrace:problem:` and the code.'),
    title: text('What the status is called.'),
    status: { type: 'integer', description: 'The HTTP status.' },
    detail: text('What is wrong and how to mend it.'),
    code: text('`MR_<DOMAIN>_<REASON>`.'),
    details: { type: 'object', description: 'What the code says of the case: a field, a name, a list of problems.' },
    instance: text('The path that was asked.'),
    requestId: text('Names the request in the log of the process; also the header `x-request-id`.'),
  },
  required: ['type', 'title', 'status', 'detail', 'code'],
};

const MLFLOW_ERROR: Schema = {
  type: 'object',
  properties: { error_code: text('As MLflow calls it.'), message: text('What is wrong.') },
  required: ['error_code', 'message'],
};

const METADATA: Schema = {
  type: 'object',
  properties: {
    name: { type: 'string', pattern: NAME_PATTERN },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    description: { type: 'string' },
  },
  required: ['name'],
  additionalProperties: false,
};

const STATUS: Schema = {
  type: 'object',
  properties: { version: { type: 'integer', description: 'Grows with each change.' }, hash: text('Of the canonical spec.') },
  required: ['version', 'hash'],
};
