import type { Check, Finding } from '../finding.ts';
import { ok, unknown } from '../finding.ts';

const manyShare = 0.1;
const fewest = 5;

/** What many devices have in common that one would want to know: quarantine, certificates that ran out, unused tokens. */
export const devicesCheck: Check = {
  name: 'devices',
  limitMs: 5000,
  async run({ state, now }) {
    if ('problem' in state) return unknown('the ledger cannot be read');
    const seconds = now / 1000;
    const devices = [...state.devices.values()].filter(
      (device) => device.state !== 'revoked' && device.state !== 'lost',
    );
    const found: Finding[] = [];
    const note = (count: number, what: string, how: string): void => {
      if (count >= fewest && count > devices.length * manyShare)
        found.push({ level: 'warning', what: `${count} of ${devices.length} devices ${what}`, how });
    };
    note(
      devices.filter((device) => device.state === 'quarantined').length,
      'are in quarantine',
      'postern get devices --state quarantined, and the reason of each; a wrong posture rule does this to many at once',
    );
    note(
      devices.filter(({ certificates }) => certificates.every(({ notAfter }) => notAfter < seconds)).length,
      'have no valid certificate any more: they were away for long, or cannot reach the control plane',
      'let their agents reach the control plane; those that are gone for good: postern device revoke',
    );
    const idle = [...state.enrollmentTokens.values()].filter(
      ({ usedBy, withdrawnAt, expiresAt }) =>
        usedBy === undefined && withdrawnAt === undefined && expiresAt < seconds,
    );
    if (idle.length >= fewest)
      found.push({
        level: 'hint',
        what: `${idle.length} enrollment tokens ran out unused, the last for ${idle.at(-1)?.user ?? 'a connector'}`,
        how: 'ask whether these people wait for a laptop; make new tokens with a longer --ttl',
      });
    return found.length > 0 ? found : ok(`${devices.length} in force`);
  },
};
