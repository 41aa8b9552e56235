import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NotScanned } from '../../src/inspection/malware/scan.ts';
import { openScannerSocket } from '../../src/gateway/malware/scanner-socket.ts';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';

let scanner: LabServer;
beforeAll(async () => {
  scanner = await startTcpService((socket) => void socket.resume());
});
afterAll(() => scanner.close());

// Long enough for a connection on a busy machine: one that takes longer has failed.
it('a scanner that waits for the rest of a content does not hang; one whose turn it is does', async () => {
  const failed = Promise.withResolvers<NotScanned>();
  let asked = 0;
  let isAwaited = false;
  const socket = openScannerSocket({ host: '127.0.0.1', port: scanner.port }, 1000, {
    onData: () => undefined,
    onEnd: () => undefined,
    onFailure: failed.resolve,
    isAwaited() {
      asked += 1;
      return isAwaited;
    },
  });
  socket.write('the beginning of a content');
  await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(0);
  isAwaited = true;
  expect(await failed.promise).toMatchObject({ why: 'timeout', detail: 'nothing moved for 1000 ms' });
});
