import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  openFirewallFiles,
  readEnrollment,
  readUntrustedFile,
} from '../../../agent/firewall/firewall-files.ts';
import { leaveFirewall } from '../../../agent/firewall/leave-firewall.ts';
import type { PacketFilter } from '../../../agent/firewall/packet-filters.ts';
import { passFirewall } from '../../../agent/firewall/pass-firewall.ts';
import { statusRows } from '../../../agent/status-rows.ts';
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
    expect(await leaveFirewall(device, packets, join(directory, 'kept'), isRoot)).toBe(said);
    expect(packets.remove).toHaveBeenCalledTimes(removals);
    expect(files.trust()?.device).toBe(removals === 1 ? undefined : 'd-1');
    expect(files.kept()).toBe(removals === 1 ? undefined : 'signed');
  });

  it('says nothing where no firewall ever came', async () => {
    expect(await leaveFirewall('d-1', filter(), join(directory, 'none'), true)).toBe('none');
  });
});
