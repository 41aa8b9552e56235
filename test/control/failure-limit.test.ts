import { expect, it } from 'vitest';
import { addressBlock, createFailureLimit } from '../../src/control/failure-limit.ts';

it('blocks an address at its last allowed failure, no other one, and until the window is over', () => {
  const limit = createFailureLimit({ failures: 3, windowMs: 1000 });
  for (let at = 0; at < 3; at += 1) {
    expect(limit.isBlocked('192.0.2.1', at)).toBe(false);
    limit.failed('192.0.2.1', at);
  }
  expect(limit.isBlocked('192.0.2.1', 3)).toBe(true);
  expect(limit.isBlocked('192.0.2.2', 3)).toBe(false);
  expect(limit.isBlocked('192.0.2.1', 999)).toBe(true);
  expect(limit.isBlocked('192.0.2.1', 1000)).toBe(false);
});

it('counts a /64 as one address and IPv4 in IPv6 as itself', () => {
  expect(addressBlock('2001:db8:1:2:3:4:5:6')).toBe(addressBlock('2001:db8:1:2::1'));
  expect(addressBlock('2001:db8:1:2::1')).not.toBe(addressBlock('2001:db8:1:3::1'));
  expect(addressBlock('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(addressBlock('::1')).toBe('0:0:0:0');
  expect(addressBlock('fe80::1%eth0')).toBe('fe80:0:0:0');
});

it('forgets whoever failed longest ago when it knows too many, and keeps the one who fails now', () => {
  const limit = createFailureLimit({ failures: 2, maxAddresses: 3 });
  for (const last of [1, 2, 3]) {
    limit.failed(`192.0.2.${last}`, 0);
    limit.failed(`192.0.2.${last}`, 0);
  }
  limit.failed('192.0.2.1', 1);
  limit.failed('192.0.2.4', 1);
  limit.failed('192.0.2.4', 1);
  expect([1, 2, 3, 4].map((last) => limit.isBlocked(`192.0.2.${last}`, 2))).toEqual([
    true,
    false,
    true,
    true,
  ]);
});
