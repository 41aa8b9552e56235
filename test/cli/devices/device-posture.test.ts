import { expect, it } from 'vitest';
import { askedLines, postureLines } from '../../../src/cli/devices/device-posture.ts';
import { postureCriteria, readChecks } from '../../../src/domain/posture.ts';

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

it('says when the answer came, or that there is none and what was said before', () => {
  const posture = {
    measuredAt: 1_795_000_000,
    reportedAt: 1_795_000_002,
    os: 'debian',
    osVersion: '13',
    agentVersion: '0.1.0',
    checks: readChecks({ diskEncrypted: true }),
    reasons: {},
  };
  const answered = askedLines({ answered: true, answeredInMs: 1234, posture }, 10).join('\n');
  expect(answered).toMatch(/^The device answered in 1\.2 s\.\n\nmeasured .*\nreported .*:\d\d/);
  expect(askedLines({ answered: false, posture }, 10).join('\n')).toMatch(
    /^No answer within 10 s: it is off, asleep, or has no session\. What it said before:\n\nmeasured/,
  );
  expect(askedLines({ answered: false }, 3)).toEqual([
    'No answer within 3 s: it is off, asleep, or has no session. It has reported nothing for a day.',
  ]);
});
