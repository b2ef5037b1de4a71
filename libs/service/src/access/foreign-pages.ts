import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a browser that shows another site's page sends the request: what it sends may carry the person's credentials without their knowing. Browsers say
 * it of addresses they trust, which are those with TLS and those of this machine; of any other they say at least whose page it is.
 */
export function isOfForeignPage(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'cross-site';
  const { origin } = headers;
  if (origin === undefined) return false;
  const page = URL.canParse(origin) ? new URL(origin).host : undefined;
  const forwarded = headers['x-forwarded-host'];
  const own = [headers.host, typeof forwarded === 'string' ? forwarded.split(',')[0]?.trim() : undefined];
  return page === undefined || !own.some((host) => host !== undefined && withoutUsualPort(host.toLowerCase()) === page);
}

/** A URL leaves the usual port of its protocol out. */
function withoutUsualPort(host: string): string {
  return host.replace(/:(80|443)$/, '');
}

const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[[\da-f:.%]+\])$/;
/** Endings that nobody can register a name under. */
const NOBODYS = /\.(localhost|local|internal|test|lan|home\.arpa|localdomain)$/;

/**
 * Whether a `Host` header names a server nobody else could have led a browser to: an address, a name without a dot, or one of an ending that is
 * not given out. A page of any other name may have had that name changed to this machine's address, and then the browser takes it for a page of ours.
 */
export function isLocalName(host: string | undefined): boolean {
  if (host === undefined || host === '') return true;
  const name = host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
  return !name.includes('.') || ADDRESS.test(name) || NOBODYS.test(name);
}
