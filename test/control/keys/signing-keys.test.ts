import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSigningKeyFiles } from '../../../src/control/keys/signing-key-files.ts';
import { createSigningKeys } from '../../../src/control/keys/signing-keys.ts';
import type { SigningKeys } from '../../../src/control/keys/signing-keys.ts';
import { createTokenVerifier, signSessionToken } from '../../../src/identity/session-token.ts';
import { openLedgerStore } from '../../../src/ledger/store.ts';
import type { LedgerStore } from '../../../src/ledger/store.ts';
import { openSqliteLedger } from '../../../src/ledger/sqlite/sqlite-ledger.ts';

const day = 86_400;
const begin = 1_800_000_000;
let directory: string;
let store: LedgerStore;
let now: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-keys-'));
  now = begin;
  const ledger = openSqliteLedger(join(directory, 'ledger.db'), { create: true, now: () => now * 1000 });
  await ledger.append((await ledger.head()).hash, 'postern:init', [
    { type: 'organization-created', domain: 'example.org' },
  ]);
  store = await openLedgerStore(ledger);
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

function keysOf(changes: string[] = [], shared?: { readonly directory: string }): SigningKeys {
  return createSigningKeys({
    store,
    isShared: shared !== undefined,
    files: openSigningKeyFiles(shared?.directory ?? directory),
    onChange: (use, { kid }) => changes.push(`${use} ${kid}`),
    logger: pino({ level: 'silent' }),
  });
}
const files = async (): Promise<string[]> => (await readdir(join(directory, 'keys/signing'))).sort();

it('makes a current and a next key of each use, and changes nothing until one is due', async () => {
  const keys = keysOf();
  await keys.rotate(now);
  const made = await files();
  expect(made).toHaveLength(4);
  now += 29 * day;
  await keys.rotate(now);
  expect(await files()).toEqual(made);
});

it('lets the next key take over without a moment in which a token is refused, and deletes the old private half', async () => {
  const changes: string[] = [];
  const keys = keysOf(changes);
  await keys.rotate(now);
  const verifier = createTokenVerifier({ domain: 'example.org', keys: () => store.state.signingKeys });
  const token = async (): Promise<string> => {
    const content = {
      domain: 'example.org',
      user: 'alice',
      device: 'd-1',
      thumbprint: 'x'.repeat(43),
      claims: {},
      posture: undefined,
      now,
    };
    return (await signSessionToken(keys.current('session'), content as never)).token;
  };
  const first = keys.current('session').kid;
  now += 30 * day;
  const before = await token();
  await keys.rotate(now);
  expect(keys.current('session').kid).not.toBe(first);
  expect(changes).toEqual(
    expect.arrayContaining([
      `session ${keys.current('session').kid}`,
      `assertion ${keys.current('assertion').kid}`,
    ]),
  );
  for (const raw of [before, await token()])
    expect(await verifier.verify(raw, 'x'.repeat(43), now + 1)).toMatchObject({ user: 'alice' });
  expect(await files()).toHaveLength(4);
  expect((await files()).some((name) => name.includes(first))).toBe(false);
  // Nothing that the old key signed outlives it by more than a token's lifetime.
  expect(await verifier.verify(before, 'x'.repeat(43), now + 700)).toMatchObject({
    code: expect.stringMatching(/^token-/),
  });
});

it('lets one of two control planes that rotate at once publish, and leaves no key file that nobody published', async () => {
  const [one, other] = [keysOf(), keysOf()];
  await Promise.all([one.rotate(now), other.rotate(now)]);
  const published = [...store.state.signingKeys.values()].map(({ use, kid }) => `${use}-${kid}.key`).sort();
  expect(published).toHaveLength(4);
  expect(await files()).toEqual(published);
  expect(one.current('session').kid).toBe(other.current('session').kid);
});

it('lets each of several servers sign with keys of its own once those that they were given are retired', async () => {
  await keysOf().rotate(now);
  const given = [...store.state.signingKeys.keys()];
  const servers = [];
  for (const name of ['one', 'two']) {
    const own = { directory: join(directory, name) };
    await cp(join(directory, 'keys'), join(own.directory, 'keys'), { recursive: true });
    servers.push({ ...own, keys: keysOf([], own) });
  }
  for (const { keys } of servers) await keys.rotate(now);
  // What they were given serves all of them.
  expect(store.state.signingKeys.size).toBe(given.length);
  for (const days of [0, 30, 2, 30, 2, 30]) {
    now += days * day;
    for (const { keys } of servers) await keys.rotate(now);
    for (const { keys } of servers) await keys.refresh(now);
    for (const { keys } of servers)
      for (const use of ['session', 'assertion'] as const)
        expect(store.state.signingKeys.get(keys.current(use).kid)).toMatchObject({ use });
    for (const { keys } of servers)
      expect(store.state.signingKeys.get(keys.current('session').kid)?.retiredAt).toBeUndefined();
  }
  const [one, two] = servers.map(({ keys }) => keys.current('session').kid);
  expect(one).not.toBe(two);
  expect(given).not.toContain(one);
  // Nobody keeps a private half that is retired.
  for (const server of servers)
    for (const name of await readdir(join(server.directory, 'keys/signing')))
      expect(
        given.some((kid) => name.includes(kid)),
        name,
      ).toBe(false);
  // Started again, it has what it had.
  const again = keysOf([], servers[0]);
  await again.refresh(now);
  expect(again.current('session').kid).toBe(one);
});

it('retires the keys of a server that is gone, after a while', async () => {
  const [gone, here] = [{ directory: join(directory, 'gone') }, { directory: join(directory, 'here') }];
  await keysOf([], gone).rotate(now);
  const left = [...store.state.signingKeys.keys()];
  const keys = keysOf([], here);
  for (let days = 0; days < 89; days += 1) {
    await keys.rotate(now);
    now += day;
  }
  expect(left.filter((kid) => store.state.signingKeys.get(kid)?.retiredAt !== undefined)).toEqual([]);
  now += 2 * day;
  await keys.rotate(now);
  expect(left.filter((kid) => store.state.signingKeys.get(kid)?.retiredAt === undefined)).toEqual([]);
  expect(left).not.toContain(keys.current('session').kid);
});
