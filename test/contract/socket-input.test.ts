import { randomBytes, createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createSocketInput } from '../../src/contract/socket-input.ts';
import type { TakeInput } from '../../src/contract/socket-input.ts';

const digest = (pieces: readonly Buffer[]): string => {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
};

/** Sends pieces, each once the one before is on its way, to a socket that is read through an input. */
async function send(pieces: readonly Buffer[], take: TakeInput): Promise<void> {
  const server = createServer((sender) => {
    void (async () => {
      for (const piece of pieces) if (!sender.write(piece)) await once(sender, 'drain');
      sender.end();
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const input = createSocketInput(() => void socket.resume());
  input.use(take);
  const { port } = server.address() as AddressInfo;
  const socket: Socket = connect({ port, host: '127.0.0.1', onread: input.onread });
  socket.resume();
  await once(socket, 'end');
  await input.drained();
  socket.destroy();
  server.close();
}

const sizes = [1, 900, 16_384, 3, 65_536, 1_000_000, 40, 4_000_000, 200_000, 1, 2_000_000, 70_000];
const pieces = [...sizes, ...sizes].map((size) => randomBytes(size));

it('hands on all that comes, in order, and leaves what it lent alone until it is given back', async () => {
  const taken: Buffer[] = [];
  let turns = 0;
  let lent = 0;
  await send(pieces, (bytes, isLent) => {
    if (isLent) lent += 1;
    turns = (turns + 1) % 4;
    if (turns === 0) {
      taken.push(Buffer.from(bytes));
      return undefined;
    }
    return (async () => {
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      taken.push(Buffer.from(bytes));
    })();
  });
  expect(digest(taken)).toBe(digest(pieces));
  expect(lent).toBeGreaterThan(10);
});

it('reads no more than the room that it has while somebody holds what came', async () => {
  let most = 0;
  let held = 0;
  await send(pieces, async (bytes) => {
    held += bytes.length;
    most = Math.max(most, held);
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
    held -= bytes.length;
  });
  expect(most).toBeLessThanOrEqual(2 * 192 * 1024);
});
