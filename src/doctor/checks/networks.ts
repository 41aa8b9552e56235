import { countOf } from '../../domain/count-of.ts';
import { existsSync, readFileSync } from 'node:fs';
import type { Check, Finding } from '../finding.ts';
import { ok, unknown } from '../finding.ts';
import { findListener } from '../find-listener.ts';

/** Entering a namespace takes CAP_SYS_ADMIN (capabilities(7)). */
const sysAdmin = 1n << 21n;

/** Whether the namespaces of the networks are there, and whoever serves may enter them. */
export const networksCheck: Check = {
  name: 'networks',
  limitMs: 2000,
  async run({ state, settings, server }) {
    if ('problem' in state) return unknown('the ledger cannot be read');
    const found: Finding[] = [];
    let namespaces = 0;
    for (const { name, attach } of state.networks.values()) {
      if ('direct' in attach)
        found.push({
          level: 'hint',
          what: `network ${name} is attached directly: the gateway itself has a way into it`,
          how: 'for anything but a trial, give it a namespace or a connector of its own',
        });
      if (!('netns' in attach)) continue;
      namespaces += 1;
      if (!existsSync(`/run/netns/${attach.netns}`))
        found.push({
          level: 'error',
          what: `network ${name} has no namespace ${attach.netns} on this machine`,
          how: `systemctl enable --now postern-network@${name}, or by hand: ip netns add ${attach.netns}`,
        });
    }
    if (
      namespaces > 0 &&
      !mayEnter(server === undefined ? undefined : findListener(settings.operator.port)?.pid)
    )
      found.push({
        level: server === undefined ? 'warning' : 'error',
        what: `${server === undefined ? 'who runs this' : 'the server'} may not enter network namespaces (CAP_SYS_ADMIN)`,
        how: 'start the server as root, or by deploy/systemd/postern.service, which leaves it that one right',
      });
    return found.length > 0
      ? found
      : ok(
          `${countOf(state.networks.size, 'network')}, ${countOf(namespaces, 'namespace')} among them, and there`,
        );
  },
};

/** What cannot be seen is not called missing. */
function mayEnter(pid: number | undefined): boolean {
  try {
    const status = readFileSync(`/proc/${pid ?? 'self'}/status`, 'utf8');
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
    return effective === undefined || (BigInt(`0x${effective}`) & sysAdmin) !== 0n;
  } catch {
    return true;
  }
}
