import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import type { ControlState, EnrollmentToken } from '../../src/domain/control-state.ts';
import type { DeviceId, NetworkName } from '../../src/domain/ids.ts';
import { checkEnrollmentToken, createEnrollmentToken } from '../../src/enrollment/enrollment-token.ts';
import { emptyState } from '../../src/ledger/fold.ts';
import { valueOf } from './enrollment-lab.ts';
import type { TokenOptions } from './enrollment-lab.ts';

const now = 1_800_000_000;
const rootFingerprint = 'r'.repeat(43);

const stateWithNetwork = (): ControlState => {
  const state = emptyState();
  state.networks.set('finance' as NetworkName, {
    kind: 'Network',
    name: 'finance',
    attach: { direct: true },
  });
  return state;
};
const create = (options: TokenOptions = {}, state = stateWithNetwork()) =>
  createEnrollmentToken(state, { user: 'alice@example.org', rootFingerprint, now, ...options });

/** A state that holds the token, after what the test changes of it. */
function stateWithToken(change: Partial<EnrollmentToken> = {}): {
  state: ControlState;
  token: string;
  id: string;
} {
  const state = stateWithNetwork();
  const { events, value } = valueOf(create());
  const [event] = events;
  if (event?.type !== 'enrollment-token-created') throw new TypeError('not a token');
  const { type: _, ...stored } = event;
  state.enrollmentTokens.set(stored.id, { ...stored, ...change });
  return { state, token: value.token, id: value.id };
}

describe('a new enrollment token', () => {
  it('is bound to user and role, ends after a day, and leaves only the hash of its secret behind', () => {
    const { events, value } = valueOf(create());
    const parts = parseEnrollmentToken(value.token);
    expect(parts).toMatchObject({ rootFingerprint, id: value.id });
    expect(events).toEqual([
      {
        type: 'enrollment-token-created',
        id: value.id,
        secretHash: createHash('sha256')
          .update(parts?.secret ?? '')
          .digest('base64url'),
        user: 'alice@example.org',
        role: 'laptop',
        expiresAt: now + 86_400,
      },
    ]);
    expect(JSON.stringify(events)).not.toContain(parts?.secret);
    expect(value).toMatchObject({ user: 'alice@example.org', expiresAt: now + 86_400 });
  });

  it('is another one each time', () => {
    const tokens = Array.from({ length: 20 }, () => valueOf(create()).value.token);
    expect(new Set(tokens).size).toBe(20);
  });

  it('of a connector names the one network that it may serve', () => {
    const { events } = valueOf(create({ role: 'connector', network: 'finance' }));
    expect(events[0]).toMatchObject({ role: 'connector', network: 'finance' });
  });

  it.each([
    [{ role: 'connector' }, 'network: a connector serves one private network'],
    [{ role: 'connector', network: 'elsewhere' }, 'network: there is none of the name elsewhere'],
    [{ network: 'finance' }, 'network: only a connector has one'],
    [{ role: 'machine', network: 'finance' }, 'network: only a connector has one'],
    [{ user: 'spiffe://example.org/device/d-1' }, 'user: this is how machines are named, not users'],
    [{ user: '' }, 'user: must not be empty'],
    [{ ttlSeconds: 59 }, 'ttl: between 60 and 2592000 seconds'],
    [{ ttlSeconds: 2_592_001 }, 'ttl: between 60 and 2592000 seconds'],
    [{ ttlSeconds: 60.5 }, 'ttl: between 60 and 2592000 seconds'],
    [{ ttlSeconds: Number.NaN }, 'ttl: between 60 and 2592000 seconds'],
  ] as const)('is refused for %j', (options, detail) => {
    expect(create(options)).toEqual({ code: 'invalid-input', detail });
  });
});

describe('an enrollment token that is presented', () => {
  it('is good until the second in which it ends', () => {
    const { state, token, id } = stateWithToken();
    expect(checkEnrollmentToken(state, token, now)).toMatchObject({ id, user: 'alice@example.org' });
    expect(checkEnrollmentToken(state, token, now + 86_399)).toMatchObject({ id });
    expect(checkEnrollmentToken(state, token, now + 86_400)).toEqual({
      code: 'enrollment-token-invalid',
      detail: `${id} has expired`,
    });
  });

  it('is refused after it was used', () => {
    const { state, token, id } = stateWithToken({ usedBy: 'd-first' as DeviceId });
    expect(checkEnrollmentToken(state, token, now)).toEqual({
      code: 'enrollment-token-invalid',
      detail: `${id} was used by d-first`,
    });
  });

  it('is refused after it was withdrawn', () => {
    const { state, token, id } = stateWithToken({ withdrawnAt: now - 1 });
    expect(checkEnrollmentToken(state, token, now)).toEqual({
      code: 'enrollment-token-invalid',
      detail: `${id} was withdrawn`,
    });
  });

  it('is refused when the network of its connector is gone', () => {
    const { state, token } = stateWithToken({ role: 'connector', network: 'gone' as NetworkName });
    expect(checkEnrollmentToken(state, token, now)).toMatchObject({ code: 'enrollment-token-invalid' });
  });

  it('is refused with the secret of another token', () => {
    const [mine, other] = [stateWithToken(), stateWithToken()];
    const secret = parseEnrollmentToken(other.token)?.secret ?? '';
    const mixed = `${mine.token.slice(0, -43)}${secret}`;
    expect(checkEnrollmentToken(mine.state, mixed, now)).toEqual({
      code: 'enrollment-token-invalid',
      detail: `wrong secret for ${mine.id}`,
    });
  });

  it('is refused when it was never made', () => {
    const { token } = stateWithToken();
    expect(checkEnrollmentToken(stateWithNetwork(), token, now)).toEqual({
      code: 'enrollment-token-invalid',
      detail: 'unknown',
    });
  });

  it.each([
    ['empty', () => ''],
    ['with a space', (token: string) => `${token} `],
    ['with a line end', (token: string) => `${token}\n`],
    ['of another version', (token: string) => token.replace('pet1', 'pet2')],
    ['cut short', (token: string) => token.slice(0, -1)],
    ['the hash of its secret', (token: string) => createHash('sha256').update(token).digest('base64url')],
  ])('is refused when it is %s', (_title, change) => {
    const { state, token } = stateWithToken();
    expect(checkEnrollmentToken(state, change(token), now)).toEqual({
      code: 'enrollment-token-invalid',
      detail: 'malformed',
    });
  });

  it('never shows its secret in a refusal', () => {
    const { state, token } = stateWithToken({ usedBy: 'd-first' as DeviceId });
    const secret = parseEnrollmentToken(token)?.secret ?? '';
    for (const presented of [token, `${token}x`]) {
      expect(JSON.stringify(checkEnrollmentToken(state, presented, now))).not.toContain(secret);
    }
  });
});
