import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { describe, expect, it, vi } from 'vitest';
import { AgentError } from '../../../agent/agent-error.ts';
import { systemClock } from '../../../agent/clock.ts';
import { laptopPosture, watchedPosture } from '../../../agent/posture/laptop-posture.ts';
import { publishedFindingsFile, readPublishedFinding } from '../../../agent/posture/published-findings.ts';
import { statedPosture, unsafeVersion } from '../../../agent/posture/unsafe-posture.ts';
import { PostureReport } from '../../../src/contract/posture.ts';
import { postureCriteria } from '../../../src/domain/posture.ts';
import { createFakeClock } from '../lab/fake-clock.ts';
import { useSystem } from './lab.ts';

const system = useSystem();

it('measures this machine with every check, in a report that the control plane takes', async () => {
  const measured = await laptopPosture(systemClock).measure();
  const report = measured.report();
  expect(Value.Check(PostureReport, report)).toBe(true);
  expect(Object.keys(measured.findings)).toEqual([...postureCriteria]);
  expect(Object.values(report.reasons ?? {}).every((reason) => reason.length > 0)).toBe(true);
});

it('says unknown, and why, on a system that no check knows', async () => {
  const context = () => system.context({ platform: 'freebsd' });
  const { findings } = await watchedPosture(createFakeClock(), context).measure();
  for (const finding of Object.values(findings))
    expect(finding).toEqual({ value: 'unknown', reason: 'no check for freebsd' });
});

it('calls back when a file says something else than before, and not when it says the same', async () => {
  const clock = createFakeClock();
  const secureBoot = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';
  system.lay({ [secureBoot]: Buffer.from([6, 0, 0, 0, 1]), '/proc/self/mountinfo': 'none\n' });
  const posture = watchedPosture(clock, () => system.context());
  const stop = new AbortController();
  const onChange = vi.fn();
  const watching = posture.watch(onChange, stop.signal);
  const look = async (): Promise<void> => {
    await clock.whenSleeping(4000);
    clock.advance(4000);
    await clock.whenSleeping(4000);
  };
  await look();
  await look();
  expect(onChange).toHaveBeenCalledTimes(0);
  const line = '29 1 8:2 / / rw - ext4 /dev/sda2 rw\n';
  system.lay({ '/sys/devices/sda2/partition': '2', '/sys/dev/block/8:2': '->/sys/devices/sda2' });
  system.lay({ '/proc/self/mountinfo': line });
  await look();
  expect(onChange).toHaveBeenCalledTimes(1);
  expect((await posture.measure()).findings.diskEncrypted.value).toBe(false);
  stop.abort();
  await watching;
});

describe('what only root can find out', () => {
  const now = new Date('2026-11-26T08:00:00Z');
  const publish = (at: number, value: boolean): void => {
    const findings = { firewallEnabled: { value, reason: 'as root' } };
    system.lay({ [publishedFindingsFile]: JSON.stringify({ at, findings }) });
  };
  const seconds = now.getTime() / 1000;

  it('is taken from the helper, and what it does not say is found as well as may be', async () => {
    publish(seconds - 30, true);
    const { findings } = await watchedPosture(createFakeClock(), () => system.context()).measure();
    expect(findings.firewallEnabled).toEqual({ value: true, reason: 'as root' });
    expect(findings.protectionRunning).toMatchObject({ value: 'unknown' });
  });

  it.each([
    ['a helper that ended', seconds - 300],
    ['a clock that was set back', seconds + 300],
  ])('is unknown with %s', async (_, at) => {
    publish(at, true);
    const { files } = system.context();
    expect(await readPublishedFinding(files, 'firewallEnabled', now)).toMatchObject({ value: 'unknown' });
  });

  it('is not believed where others could have written it', async () => {
    publish(seconds, true);
    chmodSync(join(system.root, publishedFindingsFile), 0o666);
    const { findings } = await watchedPosture(createFakeClock(), () => system.context()).measure();
    expect(findings.firewallEnabled).toEqual({
      value: 'unknown',
      reason: `${publishedFindingsFile} is not root's alone`,
    });
  });

  it('is not believed where it says something else', async () => {
    system.lay({ [publishedFindingsFile]: '{"at":1,"findings":{"firewallEnabled":true}}' });
    const { findings } = await watchedPosture(createFakeClock(), () => system.context()).measure();
    expect(findings.firewallEnabled.value).toBe('unknown');
  });
});

describe('stated posture', () => {
  const state = (content: string): string => {
    system.lay({ '/posture.json': content });
    return join(system.root, 'posture.json');
  };

  it('is what the file says, the rest unknown, marked as not measured, and grows old', async () => {
    const clock = createFakeClock();
    const file = state('{"diskEncrypted": true, "secureBoot": false}');
    const measured = await statedPosture(file, clock).measure();
    clock.advance(90_000);
    expect(measured.report()).toMatchObject({
      ageSeconds: 90,
      agentVersion: unsafeVersion,
      checks: {
        diskEncrypted: true,
        secureBoot: false,
        firewallEnabled: 'unknown',
        protectionRunning: 'unknown',
      },
    });
    expect(unsafeVersion).toContain('unsafe');
  });

  it.each(['{"diskEncrypted": "true"}', '{"diskEncryptd": true}', '[]', 'x'])(
    'is refused as %s',
    async (content) => {
      await expect(statedPosture(state(content), systemClock).measure()).rejects.toThrow(AgentError);
    },
  );

  it('is refused when the file cannot be read', async () => {
    const file = join(system.root, 'nothing');
    await expect(statedPosture(file, systemClock).measure()).rejects.toThrow(/posture-file-invalid/);
  });
});
