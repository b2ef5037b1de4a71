import { KIND_SCHEMAS } from './generated/catalog.js';
import { validators } from './generated/kind-validators.js';
import type { ValidationError } from './validator.js';

/** A mistake in a spec: the field as a person would write it, and how to mend it. */
export interface SpecProblem {
  /** `spec.features[2].window` */
  readonly field: string;
  readonly message: string;
}

const MOST_PROBLEMS = 50;

/** The schema of a kind's spec, as `schemas/resources/<Kind>.json` has it. */
export function kindSchema(kind: string): object | undefined {
  return Object.hasOwn(KIND_SCHEMAS, kind) ? KIND_SCHEMAS[kind] : undefined;
}

/** Every mistake in the shape of a spec. A kind without a schema has none of its own: whoever lists the kinds refuses it. */
export function checkSpec(kind: string, spec: unknown): readonly SpecProblem[] {
  const validate = Object.hasOwn(validators, kind) ? validators[kind] : undefined;
  if (!validate || validate(spec)) return [];
  const errors = (validate.errors ?? []).filter((error) => !SUMMARIES.has(error.keyword));
  const problems = new Map<string, SpecProblem>();
  for (const error of errors.length > 0 ? errors : (validate.errors ?? [])) {
    const problem = problemOf(error);
    const key = `${problem.field}\0${problem.message}`;
    if (problems.size < MOST_PROBLEMS) problems.set(key, problem);
  }
  return [...problems.values()];
}

/** Said beside the mistakes they sum up. */
const SUMMARIES = new Set(['anyOf', 'oneOf', 'if', 'propertyNames']);

function problemOf(error: ValidationError): SpecProblem {
  const at = fieldOf(error.instancePath);
  const { params } = error;
  switch (error.keyword) {
    case 'required':
      return { field: `${at}.${String(params['missingProperty'])}`, message: 'is missing' };
    case 'additionalProperties':
      return {
        field: `${at}.${String(params['additionalProperty'])}`,
        message: `is not a field ${at === 'spec' ? 'of this kind' : `of ${at}`}; fields are ${fieldsOf(error).join(', ')}`,
      };
    case 'enum':
      return { field: at, message: `${shown(error.data)} is not one of ${(params['allowedValues'] as unknown[]).join(', ')}` };
    case 'type':
      return { field: at, message: `must be ${typeWords(params['type'])}, is ${shown(error.data)}` };
    case 'const':
      return { field: at, message: `must be ${JSON.stringify(params['allowedValue'])}, is ${shown(error.data)}` };
    case 'pattern':
      return { field: at, message: `${shown(error.data)} does not have the form ${String(params['pattern'])}` };
    default:
      return { field: at, message: error.message ?? error.keyword };
  }
}

/** The fields that the object has which was given another. */
function fieldsOf({ parentSchema }: ValidationError): string[] {
  return Object.keys((parentSchema as { properties?: object } | undefined)?.properties ?? {});
}

/** `/features/2/window` as `spec.features[2].window`. */
function fieldOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : `${path}.${part}`), 'spec');
}

function typeWords(type: unknown): string {
  return (Array.isArray(type) ? (type as string[]) : [String(type)]).map((name) => (name === 'string' ? 'a text' : name)).join(' or ');
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
