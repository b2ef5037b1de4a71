import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendInvalid } from './errors.js';

/**
 * Whether a request is to be answered strictly, as Feast's own server does it: values past their ttl and nulls are PRESENT, a caller's mistake is a
 * 500. `?compat=` says so, else the process's setting. `undefined`: it was refused.
 */
export function strictness(request: FastifyRequest, reply: FastifyReply, isStrict: boolean): boolean | undefined {
  const asked = (request.query as Readonly<Record<string, unknown>> | undefined)?.['compat'];
  if (asked === undefined) return isStrict;
  if (asked === 'strict' || asked === 'mended') return asked === 'strict';
  sendInvalid(reply, [{ type: 'enum', loc: ['query', 'compat'], msg: "Input should be 'mended' or 'strict'", input: asked }]);
  return undefined;
}
