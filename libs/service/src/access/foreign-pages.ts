import type { IncomingHttpHeaders } from 'node:http';

/**
 * Why a request is not answered that a browser sends for another site's page: what it sends may carry the person's credentials without their knowing. Nothing
 * where it is sent for a page of ours, or by no browser. Browsers say it of addresses they trust, which are those with TLS and those of this machine, and
 * for them another port and another name below the same domain are the same site; so there, and for any other address, it is compared whose page it is.
 */
export function foreignPage(headers: IncomingHttpHeaders): string | undefined {
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site') return 'a page of another site may not change anything here; use this server’s own address';
  if (site === 'same-origin' || site === 'none') return undefined;
  const { origin } = headers;
  if (origin === undefined) return undefined;
  const page = URL.canParse(origin) ? new URL(origin).host : undefined;
  const forwarded = headers['x-forwarded-host'];
  const own = [headers.host, typeof forwarded === 'string' ? forwarded.split(',')[0]?.trim() : undefined].filter(
    (host) => host !== undefined,
  );
  if (page !== undefined && own.some((host) => withoutUsualPort(host.toLowerCase()) === page)) return undefined;
  return (
    `a page of another site may not change anything here: the page is of ${page ?? origin}, and the request is for ${own.join(' and ') || 'no host'}. ` +
    'Use this server’s own address; a proxy in front has to pass on Host with its port, or say it in X-Forwarded-Host'
  );
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
