import { expect, test } from '@jest/globals';
import { isPrivateAddress } from './public-address.js';

test.each([
  ...['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255'],
  ...['::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::7f00:1', '2001::1', '2002:7f00:1::'],
  ...['fc00::1', 'fd12::1', 'fe80::1', 'fec0::1', 'ff02::1'],
])('%s leads into this machine or its network', (address) => {
  expect(isPrivateAddress(address)).toBe(true);
});

test.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '::ffff:8.8.8.8', '2606:4700::1111', '2001:4860:4860::8888'])(
  '%s leads out',
  (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  },
);
