import { expect, it } from 'vitest';
import type { DeviceId } from '../../src/domain/ids.ts';
import type { MalwareScanner } from '../../src/gateway/malware/malware-scanner.ts';
import { limitScans } from '../../src/gateway/malware/scan-slots.ts';

/** A scanner that says clean, and who is with it. */
function start(maxScans: number, timeoutMs = 60_000) {
  const inside: string[] = [];
  const scanner: MalwareScanner = {
    keyOf: () => '',
    edition: () => Promise.resolve('1'),
    open({ owner }) {
      inside.push(owner);
      return {
        verdict: undefined,
        write: () => undefined,
        end: () => Promise.resolve({ kind: 'clean' }),
        abort: () => undefined,
      };
    },
  };
  const limited = limitScans(scanner, maxScans, timeoutMs);
  const open = (owner: string) =>
    limited.open({ direction: 'upload', mediaType: '', owner: owner as DeviceId });
  return { inside, open };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('no more are with the scanner than that, a quarter of them of one device, and the next who fits goes in', async () => {
  const { inside, open } = start(4);
  const [first, , bob] = ['alice', 'alice', 'bob', 'carol', 'dave', 'eve'].map(open);
  await settled();
  expect(inside).toEqual(['alice', 'bob', 'carol', 'dave']);
  expect(await bob?.end()).toEqual({ kind: 'clean' });
  await settled();
  // The second one of alice came before, and waits for the first.
  expect(inside.slice(4)).toEqual(['eve']);
  first?.abort();
  // Given up twice counts once.
  first?.abort();
  await settled();
  expect(inside.slice(5)).toEqual(['alice']);
});

it('a piece waits for its turn, and what is given up before it has none', async () => {
  const { inside, open } = start(1);
  const first = open('alice');
  await settled();
  const second = open('bob');
  const third = open('carol');
  let isWritten = false;
  const written = third.write(Buffer.from('x'))?.then(() => (isWritten = true));
  second.abort();
  await settled();
  expect([inside, isWritten]).toEqual([['alice'], false]);
  await first.end();
  await written;
  expect([inside, isWritten]).toEqual([['alice', 'carol'], true]);
});

it('whose turn does not come in time was not scanned', async () => {
  const { open } = start(1, 20);
  open('alice');
  expect(await open('bob').end()).toMatchObject({ kind: 'not-scanned', why: 'timeout' });
});
