import { expect, it } from 'vitest';
import { postureLines } from '../../src/cli/device-posture.ts';
import { postureCriteria, readChecks } from '../../src/domain/posture.ts';

it('shows each criterion with its value and why, and nothing that could drive a terminal', () => {
  const lines = postureLines({
    measuredAt: 1_795_000_000,
    os: 'debian\u001b[31m',
    osVersion: '13',
    kernelVersion: '6.12.9',
    agentVersion: '0.1.0',
    checks: readChecks({ diskEncrypted: true, firewallEnabled: false }),
    reasons: { firewallEnabled: 'nothing refuses incoming IPv6', secureBoot: 'bad\u001b[2J' },
  });
  const text = lines.join('\n');
  expect(text).not.toContain('\u001b');
  expect(text).toContain('kernelVersion  6.12.9');
  for (const name of postureCriteria) expect(text).toContain(name);
  expect(text).toMatch(/firewallEnabled +false +nothing refuses incoming IPv6/);
  expect(text).toMatch(/screenLockEnabled +unknown/);
});
