import { fieldsOf } from '../http/body-schema.js';
import { LAST_MOMENT, momentText } from '../http/moment.js';
import { ProblemError } from '../http/problem.js';
import { KEY_REQUEST } from './bodies.js';
import type { Role } from './domain/keys/keys.events.js';
import { ROLES } from './domain/keys/keys.events.js';
import { EVERY_WORKSPACE, isReservedActor, isRole } from './identity.js';

/** A key that somebody wants. */
export interface KeyRequest {
  readonly name: string;
  readonly actor: string;
  readonly role: Role;
  /** Absent: the workspace of the process. */
  readonly workspace: string | undefined;
  readonly expiresAt: number | null;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/;
const FIELDS: readonly string[] = fieldsOf(KEY_REQUEST);
const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads the body of `POST /api/v1/access/keys`; a mistake is told with the field and the mend. */
export function parseKeyRequest(body: unknown, now: number): KeyRequest {
  const fields = objectOf(body);
  const unknown = Object.keys(fields).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) throw invalid(unknown, `is not a field of a key; they are ${FIELDS.join(', ')}`);
  const name = named(fields, 'name');
  if (name === undefined) throw invalid('name', 'is missing: what is the key to be called?');
  const { role } = fields;
  if (!isRole(role)) throw invalid('role', `has to be one of ${ROLES.join(', ')}`);
  const workspace = fields['workspace'] === EVERY_WORKSPACE ? EVERY_WORKSPACE : named(fields, 'workspace');
  const actor = named(fields, 'actor') ?? name;
  if (isReservedActor(actor)) {
    throw invalid('actor', `is ${actor}, whom the log names for what the platform does itself; say who uses the key (actor, --actor)`);
  }
  return { name, actor, role, workspace, expiresAt: expiryOf(fields, now) };
}

function objectOf(body: unknown): Readonly<Record<string, unknown>> {
  let value = body;
  if (Buffer.isBuffer(body)) {
    try {
      value = JSON.parse(body.toString('utf8'));
    } catch {
      throw invalid('body', 'has to be JSON: {"name": "trainer", "role": "editor"}');
    }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('body', 'has to be a JSON object');
  return value as Readonly<Record<string, unknown>>;
}

function named(fields: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = fields[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw invalid(field, 'has to be 1 to 100 of letters, digits, ".", "_", "@" and "-", a letter or digit first');
}

/** `expiresAt` is a time (`2027-01-31T00:00:00Z`), `expiresIn` a span from now (`90d`). */
function expiryOf(fields: Readonly<Record<string, unknown>>, now: number): number | null {
  const { expiresAt = null, expiresIn = null } = fields;
  if (expiresAt !== null && expiresIn !== null) throw invalid('expiresIn', 'and expiresAt exclude each other');
  if (expiresIn !== null) {
    const match = typeof expiresIn === 'string' ? /^([1-9]\d{0,5})([mhd])$/.exec(expiresIn) : null;
    if (!match) throw invalid('expiresIn', 'has to be a span such as 30m, 12h or 90d, of 999999 at most');
    return now + Number(match[1]) * (UNITS[match[2] as string] as number);
  }
  if (expiresAt === null) return null;
  const time = typeof expiresAt === 'string' && /^\d{4}-\d{2}-\d{2}/.test(expiresAt) ? Date.parse(expiresAt) : NaN;
  if (Number.isNaN(time)) throw invalid('expiresAt', 'has to be a time such as 2027-01-31T00:00:00Z');
  // An offset may carry a time of the year 9999 over its end.
  if (time > LAST_MOMENT) throw invalid('expiresAt', `has to be at or before ${momentText(LAST_MOMENT)}; a key without it never ends`);
  return time;
}

function invalid(field: string, message: string): ProblemError {
  return new ProblemError(400, 'MR_ACCESS_KEY_INVALID', `${field} ${message}`, { field });
}
