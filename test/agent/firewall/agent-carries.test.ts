import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  openFirewallFiles,
  readEnrollment,
  readUntrustedFile,
} from '../../../agent/firewall/firewall-files.ts';
import { systemClock } from '../../../agent/clock.ts';
import { leaveFirewall } from '../../../agent/firewall/leave-firewall.ts';
import type { PacketFilter } from '../../../agent/firewall/packet-filters.ts';
import type { FirewallState } from '../../../agent/firewall/published-firewall.ts';
import { passFirewall } from '../../../agent/firewall/pass-firewall.ts';
import { statusRows } from '../../../agent/status-rows.ts';
import { createFakeClock } from '../lab/fake-clock.ts';
import { makeWorld } from '../lab/world.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-carried-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('lays what the control plane signed where the helper of this enrollment looks for it', async () => {
  const world = await makeWorld();
  try {
    world.control.config = { ...world.control.config, firewall: 'signed.by.control' };
    const laptop = await world.startLaptop();
    await laptop.reach('connected');
    const trust = readEnrollment(world.paths.directory);
    expect(trust).toMatchObject({ device: 'd-laptop', domain: world.organization.domain });
    expect(trust.authorityPem).toBe(world.organization.rootPem);
    expect(readUntrustedFile(trust.policyFile)).toBe('signed.by.control');
    const rows = statusRows(
      { ...(await laptop.status()), firewall: { state: 'applied', name: 'tight' } },
      'en',
    );
    expect(rows).toContainEqual(['Firewall', 'tight, in force']);
  } finally {
    await world.close();
  }
});

it('writes only what changed, and takes silence for no change', () => {
  const path = join(directory, 'firewall.jws');
  passFirewall(path, 'one');
  const { ino } = statSync(path);
  passFirewall(path, 'one');
  passFirewall(path, undefined);
  expect(statSync(path).ino).toBe(ino);
  passFirewall(path, 'two');
  expect(readFileSync(path, 'utf8')).toBe('two');
});

it('follows no link and waits on no pipe where others may write', () => {
  writeFileSync(join(directory, 'secret'), 'for root alone');
  symlinkSync(join(directory, 'secret'), join(directory, 'firewall.jws'));
  expect(readUntrustedFile(join(directory, 'firewall.jws'))).toBeUndefined();
  expect(readUntrustedFile(join(directory, 'nothing'))).toBeUndefined();
  expect(readUntrustedFile(directory)).toBeUndefined();
  writeFileSync(join(directory, 'large'), 'x'.repeat(300_000));
  expect(readUntrustedFile(join(directory, 'large'))).toBeUndefined();
});

describe('leaving', () => {
  const filter = (): PacketFilter & { remove: ReturnType<typeof vi.fn<() => Promise<void>>> } => ({
    load: () => Promise.resolve(),
    listing: () => Promise.resolve(undefined),
    remove: vi.fn(() => Promise.resolve()),
  });
  const trust = { authorityPem: '', domain: 'example.org', device: 'd-1', control: '', policyFile: '' };

  it.each([
    ['root, of the device that brought it', 'd-1', true, 'removed', 1],
    ['root, of another device', 'd-2', true, 'none', 0],
    ['somebody else', 'd-1', false, 'stays', 0],
  ])('by %s', async (_, device, isRoot, said, removals) => {
    const files = openFirewallFiles(join(directory, 'kept'));
    files.adopt(trust);
    files.keep('signed');
    const packets = filter();
    const leaving = {
      device,
      hasWord: false,
      clock: systemClock,
      directory: join(directory, 'kept'),
      isRoot,
    };
    expect(await leaveFirewall({ ...leaving, filter: () => packets })).toBe(said);
    expect(packets.remove).toHaveBeenCalledTimes(removals);
    expect(files.trust()?.device).toBe(removals === 1 ? undefined : 'd-1');
    expect(files.kept()).toBe(removals === 1 ? undefined : 'signed');
  });

  it.each([
    [
      'takes the firewall away',
      [
        { state: 'applied', name: 'a' },
        { state: 'none', reason: 'left' },
      ],
      'removed',
    ],
    ['has none in force', [{ state: 'none' }, { state: 'none' }, { state: 'none', reason: 'left' }], 'none'],
    ['does not believe it', [{ state: 'applied', name: 'a', refused: 'its signature is wrong' }], 'stays'],
    ['does not run', [undefined], 'stays'],
  ] as const)('by the word of the control plane, which the helper sees and %s', async (_, states, said) => {
    openFirewallFiles(join(directory, 'kept')).adopt(trust);
    const fake = createFakeClock();
    const clock = { ...fake, sleep: async (ms: number) => fake.advance(ms) };
    const queue: (FirewallState | undefined)[] = [...states];
    const published = async () => (queue.length > 1 ? queue.shift() : queue[0]);
    const leaving = {
      device: 'd-1',
      hasWord: true,
      clock,
      directory: join(directory, 'kept'),
      isRoot: false,
    };
    expect(await leaveFirewall({ ...leaving, published })).toBe(said);
  });

  it('says nothing where no firewall ever came', async () => {
    const leaving = { device: 'd-1', clock: systemClock, directory: join(directory, 'none'), filter };
    for (const isRoot of [true, false])
      expect(await leaveFirewall({ ...leaving, hasWord: true, isRoot })).toBe('none');
  });
});
