import { expect, test } from '@jest/globals';
import { foreignPage, isLocalName } from './foreign-pages.js';

test.each([
  [{}, false],
  [{ 'sec-fetch-site': 'cross-site', host: 'mill:8080' }, true],
  [{ 'sec-fetch-site': 'same-origin', origin: 'https://mill.example.org', host: '127.0.0.1:8080' }, false],
  [{ 'sec-fetch-site': 'none' }, false],
  [{ 'sec-fetch-site': 'same-site', origin: 'http://localhost:8888', host: 'localhost:8080' }, true],
  [{ 'sec-fetch-site': 'same-site', origin: 'https://notes.example.org', host: 'mill.example.org' }, true],
  [{ 'sec-fetch-site': 'same-site', origin: 'https://mill.example.org', host: 'mill.example.org' }, false],
  [{ origin: 'http://evil.example', host: 'mill:8080' }, true],
  [{ origin: 'http://mill:8080', host: 'Mill:8080' }, false],
  [{ origin: 'http://mill:3000', host: 'mill:8080' }, true],
  [{ origin: 'http://mill', host: 'mill:80' }, false],
  [{ origin: 'https://mill.example.org', host: '10.0.0.7:8080', 'x-forwarded-host': 'mill.example.org, inner' }, false],
  [{ origin: 'null', host: 'mill:8080' }, true],
])('whose page asks is told by the headers %j', (headers, isForeign) => {
  expect(foreignPage(headers) !== undefined).toBe(isForeign);
});

test('the reason names what was compared, for whoever has a proxy in front', () => {
  expect(foreignPage({ origin: 'http://mill.lan:8443', host: '127.0.0.1:8080', 'x-forwarded-host': 'mill.lan' })).toMatch(
    /the page is of mill\.lan:8443, and the request is for 127\.0\.0\.1:8080 and mill\.lan\. .*pass on Host with its port.*X-Forwarded-Host/,
  );
});

test.each([undefined, 'localhost:8080', '127.0.0.1', '[::1]:8080', 'mill:8080', 'mill.local', 'host.docker.internal:8080', 'a.localhost.'])(
  '%s can only be this machine or one near it',
  (host) => {
    expect(isLocalName(host)).toBe(true);
  },
);

test.each(['evil.example:8080', 'mill.example.org', '127.0.0.1.nip.io', 'localhost.evil.com', 'local'.concat('.com')])(
  '%s may be anybody’s',
  (host) => {
    expect(isLocalName(host)).toBe(false);
  },
);
