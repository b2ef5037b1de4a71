import type { HttpReply, HttpRequest } from '@millrace/service';
import { sendInvalid } from './errors.js';
import { FieldReader, parseBody } from './feast-body.js';

/**
 * Whether a request is to be answered strictly, as Feast's own server does it: values past their ttl and nulls are PRESENT, a caller's mistake is a
 * 500. `?compat=` says so, else the process's setting. `undefined`: it was refused.
 */
export function strictness(request: HttpRequest, reply: HttpReply, isStrict: boolean): boolean | undefined {
  const asked = (request.query as Readonly<Record<string, unknown>> | undefined)?.['compat'];
  if (asked === undefined) return isStrict;
  if (asked === 'strict' || asked === 'mended') return asked === 'strict';
  sendInvalid(reply, [{ type: 'enum', loc: ['query', 'compat'], msg: "Input should be 'mended' or 'strict'", input: asked }]);
  return undefined;
}

export interface FeastCall {
  readonly isStrict: boolean;
  /** Of the body's fields. */
  readonly read: FieldReader;
}

/** A request whose body is an object, opened. `undefined`: it was refused. */
export function openCall(request: HttpRequest, reply: HttpReply, isStrictByDefault: boolean): FeastCall | undefined {
  const isStrict = strictness(request, reply, isStrictByDefault);
  if (isStrict === undefined) return undefined;
  const body = parseBody(request.body);
  if (!('detail' in body)) return { isStrict, read: new FieldReader(body.fields) };
  sendInvalid(reply, body.detail);
  return undefined;
}
