import { Fault } from '@millrace/kernel';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

const FORWARDED = 'x-forwarded-prefix';
const PATH = /^(\/[A-Za-z0-9._~-]+)+$/;
/** Of a request's whole URL, as a client writes it to a proxy. */
const ORIGIN = /^https?:\/\/[^/?]*/i;

/** What is left of `url` below `prefix`: `/v2` of `/millrace/v2`; `undefined` where it is not below it. */
export function urlBelow(prefix: string, url: string): string | undefined {
  if (!url.startsWith(prefix)) return undefined;
  const rest = url.slice(prefix.length);
  if (rest.startsWith('/')) return rest;
  return rest === '' || rest.startsWith('?') ? `/${rest}` : undefined;
}

/**
 * Takes `MILLRACE_PATH_PREFIX` from a request that came below it, and says so where a proxy would that had done the same: in `X-Forwarded-Prefix`. So whoever makes a
 * link has one place to look, here and in the services behind a router.
 */
export function takePrefix(request: IncomingMessage, prefix: string): void {
  const { url = '/', headers } = request;
  const below = urlBelow(prefix, url.startsWith('/') ? url : url.replace(ORIGIN, ''));
  if (below === undefined) return;
  request.url = below;
  const forwarded = forwardedPrefix(headers);
  // Some proxies name what they pass on as well.
  headers[FORWARDED] = forwarded.endsWith(prefix) ? forwarded : `${forwarded}${prefix}`;
}

/** The path that was taken from the front of a request's own, as its headers say: `/millrace`; empty: none. It may be no path. */
export function forwardedPrefix(headers: IncomingHttpHeaders): string {
  const [first = ''] = ((headers[FORWARDED] as string | undefined) ?? '').split(',');
  return first.trim().replace(/\/+$/, '');
}

/** Whether `prefix` may stand before a path; what is no path would make an address of another host. */
export function isPrefix(prefix: string): boolean {
  return prefix === '' || PATH.test(prefix);
}

/** The path below which the client sees this server: `/millrace`; empty: it sees it at the root. */
export function basePathOf(headers: IncomingHttpHeaders): string {
  const prefix = forwardedPrefix(headers);
  return isPrefix(prefix) ? prefix : '';
}

/** `path` as the client of a request has to ask for it: for `Location` and other links to this server. */
export function publicPath(request: { readonly headers: IncomingHttpHeaders }, path: string): string {
  return `${basePathOf(request.headers)}${path}`;
}

/**
 * Paths without the prefix are served too, so one below which there are paths already would have two meanings: refused, with `MR_CONFIG`. `patterns` are those of
 * routes, as Fastify has them.
 */
export function checkPathPrefix(prefix: string | undefined, patterns: Iterable<string>): void {
  if (prefix === undefined) return;
  for (const pattern of patterns) {
    if (!isBelow(pattern, prefix)) continue;
    const message = `MILLRACE_PATH_PREFIX is ${prefix}, and Millrace has paths of its own there (${pattern}), so a request could mean either; choose another, such as /millrace`;
    throw new Fault('MR_CONFIG', message, false);
  }
}

/** Whether a request below `prefix`, or for it, may be for the route of `pattern`. */
function isBelow(pattern: string, prefix: string): boolean {
  const own = pattern.split('/');
  for (const [place, segment] of prefix.split('/').entries()) {
    if (own[place] === '*') return true;
    if (own[place] !== segment && !own[place]?.startsWith(':')) return false;
  }
  return true;
}
