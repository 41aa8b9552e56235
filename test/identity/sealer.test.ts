import { generateKeyPairSync } from 'node:crypto';
import { assert, nat, property, string } from 'fast-check';
import { expect, it } from 'vitest';
import { createSealer } from '../../src/identity/sealer.ts';

const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' });
const key = newKey();
const sealer = createSealer(key);

it('opens what was sealed for the same purpose, also after a restart, and shows nothing of it', () => {
  const value = { user: 'alice@example.org', groups: ['finance'] };
  const sealed = sealer.seal('one', value);
  expect(createSealer(key).open('one', sealed)).toEqual(value);
  expect(Buffer.from(sealed.slice(5), 'base64url').toString('latin1')).not.toContain('alice');
  expect(sealer.seal('one', value)).not.toBe(sealed);
});

it('opens nothing that was sealed for another purpose or under another key', () => {
  const sealed = sealer.seal('one', { user: 'alice' });
  expect(sealer.open('two', sealed)).toBeUndefined();
  expect(createSealer(newKey()).open('one', sealed)).toBeUndefined();
});

it('opens nothing with one bit changed, and never throws', () => {
  const sealed = sealer.seal('one', { user: 'alice' });
  const bytes = Buffer.from(sealed.slice(5), 'base64url');
  assert(
    property(nat(bytes.length * 8 - 1), (bit) => {
      const bent = Buffer.from(bytes);
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(sealer.open('one', `pss1.${bent.toString('base64url')}`)).toBeUndefined();
    }),
  );
  assert(property(string(), (text) => sealer.open('one', text) === undefined));
  expect(sealer.open('one', `pss1.${'A'.repeat(100_000)}`)).toBeUndefined();
});
