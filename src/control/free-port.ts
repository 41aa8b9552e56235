import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A port that is free at this address now. Workers share one, so they cannot each take whatever is free. */
export function findFreePort(host: string): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
