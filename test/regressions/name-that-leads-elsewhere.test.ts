import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createNamespace, namespacesAvailable, titleWithNamespaces } from '../lab/namespaces.ts';
import { dial, startServing } from '../supervisor/server.ts';

/**
 * The attack (after fast-uri CVE-2026-13676 and http-proxy-middleware CVE-2026-55602, one step later): the address that was
 * reviewed is not the one that is dialled. An upstream is registered by name; who writes the zone lets the name point at the
 * connector's own loopback, or at 169.254.169.254, where clouds hand out credentials to whoever asks from inside. Written
 * addresses of that kind are refused when an app is applied; resolved ones have to be refused when they are dialled.
 */
const servers = join(import.meta.dirname, '../lab/servers');
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe.runIf(namespacesAvailable())(
  titleWithNamespaces('an upstream whose name leads out of the network'),
  () => {
    it('is not dialled, though a server answers there; a name that leads into it is', async () => {
      const inside = createNamespace(['10.0.0.2', '10.0.0.53', '169.254.169.254']);
      closing.push(() => inside.remove());
      for (const address of ['10.0.0.2', '127.0.0.1', '169.254.169.254']) {
        await inside.run(join(servers, 'greeter.ts'), [address, '80', address]);
      }
      const zone = {
        good: '10.0.0.2',
        loopback: '127.0.0.1',
        metadata: '169.254.169.254',
        unspecified: '0.0.0.0',
      };
      const records = Object.entries(zone).map(([name, address]) => `${name}.internal=${address}`);
      await inside.run(join(servers, 'name-server.ts'), ['10.0.0.53', '53', ...records]);
      const upstreams = Object.keys(zone).map((name) => ({ host: `${name}.internal`, port: 80 }));
      const server = await startServing([
        { name: 'finance', attach: { netns: inside.name }, dns: ['10.0.0.53'], upstreams },
      ]);
      closing.push(() => server.close());
      const outcomes = await Promise.all(
        upstreams.map((upstream) => dial(server.worker, 'finance', upstream)),
      );
      expect(outcomes.map(({ banner, detail }) => banner ?? detail)).toEqual([
        '10.0.0.2\r\n',
        'loopback.internal resolves to 127.0.0.1: no address in this network',
        'metadata.internal resolves to 169.254.169.254: no address in this network',
        'unspecified.internal resolves to 0.0.0.0: no address in this network',
      ]);
    });
  },
);
