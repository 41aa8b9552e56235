import { expect, it } from 'vitest';
import { addressBlock, createFailureLimit } from '../../src/control/failure-limit.ts';
import { createMemoryFleeting } from '../../src/control/fleeting/memory-fleeting.ts';

let now = 0;
const fleeting = (maxEntries = 100): ReturnType<typeof createMemoryFleeting> => {
  now = 0;
  return createMemoryFleeting(() => now, { maxEntries });
};

it('blocks an address at its last allowed failure, no other one, and until the window is over', async () => {
  const limit = createFailureLimit(fleeting(), { failures: 3, windowMs: 1000 });
  for (now = 0; now < 3; now += 1) {
    expect(await limit.isBlocked('192.0.2.1')).toBe(false);
    await limit.failed('192.0.2.1');
  }
  expect(await limit.isBlocked('192.0.2.1')).toBe(true);
  expect(await limit.isBlocked('192.0.2.2')).toBe(false);
  now = 999;
  expect(await limit.isBlocked('192.0.2.1')).toBe(true);
  now = 1000;
  expect(await limit.isBlocked('192.0.2.1')).toBe(false);
});

it('counts a /64 as one address and IPv4 in IPv6 as itself', () => {
  expect(addressBlock('2001:db8:1:2:3:4:5:6')).toBe(addressBlock('2001:db8:1:2::1'));
  expect(addressBlock('2001:db8:1:2::1')).not.toBe(addressBlock('2001:db8:1:3::1'));
  expect(addressBlock('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(addressBlock('::1')).toBe('0:0:0:0');
  expect(addressBlock('fe80::1%eth0')).toBe('fe80:0:0:0');
});

it('forgets whoever failed longest ago when it knows too many, and keeps the one who fails now', async () => {
  const limit = createFailureLimit(fleeting(3), { failures: 2 });
  for (const last of [1, 1, 2, 2, 3, 3]) await limit.failed(`192.0.2.${last}`);
  for (const last of [1, 4, 4]) await limit.failed(`192.0.2.${last}`);
  const blocked = [1, 2, 3, 4].map((last) => limit.isBlocked(`192.0.2.${last}`));
  expect(await Promise.all(blocked)).toEqual([true, false, true, true]);
});
