import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Check } from '../finding.ts';
import { ok } from '../finding.ts';

/** Whether the names under which laptops and administrators reach this server resolve. */
export const namesCheck: Check = {
  name: 'names',
  limitMs: 8000,
  async run({ settings }) {
    const { addresses, others = [] } = settings.gateway;
    const hosts = [...addresses, ...others.flatMap((other) => other.addresses)].map((address) =>
      address.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''),
    );
    const names = [...new Set([...hosts, ...settings.control.names])].filter((name) => isIP(name) === 0);
    const found = await Promise.all(
      names.map(async (name) => {
        try {
          await lookup(name);
          return [];
        } catch (error) {
          return [
            {
              level: hosts.includes(name) ? 'error' : 'warning',
              what: `${name} does not resolve here (${(error as NodeJS.ErrnoException).code ?? 'failed'})`,
              how: 'make the DNS entry, or correct gateway.addresses, gateway.others or control.names in the settings',
            } as const,
          ];
        }
      }),
    );
    return found.flat().length > 0
      ? found.flat()
      : ok(names.length === 0 ? 'none is used' : `${names.length} resolve`);
  },
};
