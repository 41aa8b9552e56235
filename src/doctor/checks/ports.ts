import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';
import { findListener } from '../find-listener.ts';

/** Whether the ports of the settings are free, or ours: another program at one of them keeps the server from starting. */
export const portsCheck: Check = {
  name: 'ports',
  limitMs: 5000,
  async run({ settings, server }) {
    const found: Finding[] = [];
    for (const what of ['gateway', 'control', 'operator'] as const) {
      const { listen, port } = settings[what];
      if (port === 0) continue;
      const code = await tryToListen(listen, port);
      if (code === undefined) continue;
      const holder = findListener(port);
      // A server of ours that answers holds them all; who cannot look into /proc has to believe that.
      if (code === 'EADDRINUSE' && server !== undefined && (holder === undefined || holder.isPostern))
        continue;
      const how: Readonly<Record<string, string>> = {
        EADDRINUSE: 'stop that program, or choose another port in the settings',
        EADDRNOTAVAIL: `no interface of this machine has the address: see \`ip address\`, and ${what}.listen`,
        EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
      };
      const who = holder === undefined ? '' : ` by ${holder.name} (process ${holder.pid})`;
      found.push({
        level: code === 'EACCES' ? 'warning' : 'error',
        what:
          code === 'EADDRINUSE'
            ? `${what} port ${port} is taken${who}`
            : `${what} cannot listen at ${listen} port ${port}: ${code}`,
        how: how[code] ?? 'see the settings',
      });
    }
    return found.length > 0 ? found : ok(server === undefined ? 'free' : 'held by the server');
  },
};

async function tryToListen(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  } finally {
    server.close();
  }
}
