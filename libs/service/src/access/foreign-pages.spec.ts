import { expect, test } from '@jest/globals';
import { isLocalName, isOfForeignPage } from './foreign-pages.js';

test.each([
  [{}, false],
  [{ 'sec-fetch-site': 'cross-site', host: 'mill:8080' }, true],
  [{ 'sec-fetch-site': 'same-origin', origin: 'https://mill.example.org', host: '127.0.0.1:8080' }, false],
  [{ 'sec-fetch-site': 'none' }, false],
  [{ origin: 'http://evil.example', host: 'mill:8080' }, true],
  [{ origin: 'http://mill:8080', host: 'Mill:8080' }, false],
  [{ origin: 'http://mill:3000', host: 'mill:8080' }, true],
  [{ origin: 'http://mill', host: 'mill:80' }, false],
  [{ origin: 'https://mill.example.org', host: '10.0.0.7:8080', 'x-forwarded-host': 'mill.example.org, inner' }, false],
  [{ origin: 'null', host: 'mill:8080' }, true],
])('whose page asks is told by the headers %j', (headers, isForeign) => {
  expect(isOfForeignPage(headers)).toBe(isForeign);
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
