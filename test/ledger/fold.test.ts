import { describe, expect, it } from 'vitest';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import { headOf, linkEntry } from '../../src/ledger/chain.ts';
import { applyEntry, copyState, emptyState } from '../../src/ledger/fold.ts';
import { LedgerCorrupt } from '../../src/ledger/ledger.ts';
import {
  certificate,
  created,
  deviceState,
  enrolled,
  networkPut,
  sampleSeconds,
  sampleTime,
  sha256,
  stateOf,
  tokenCreated,
} from './samples.ts';

const key = {
  kid: 'k1',
  use: 'session',
  jwk: { kty: 'EC', crv: 'P-256', x: sha256('x'), y: sha256('y') },
  publishedAt: sampleSeconds,
} as const;
const renewed = (device: string, name: string, notAfter?: number): ControlEvent => ({
  type: 'device-certificate-renewed',
  device: device as DeviceId,
  certificate: certificate(name, notAfter),
});

const withdrawn = (id: string): ControlEvent => ({ type: 'enrollment-token-withdrawn', id });

describe('the fold', () => {
  it('starts with nobody and no domain', () => {
    expect(stateOf()).toEqual(emptyState());
  });

  it('enrolls a device and uses its token up', () => {
    const state = stateOf(created, tokenCreated('t1'), enrolled('d1', 't1'));
    expect(state.domain).toBe('example.org');
    expect([...state.devices.values()]).toEqual([
      {
        id: 'd1',
        user: 'alice@example.org',
        role: 'laptop',
        state: 'active',
        enrolledAt: sampleSeconds,
        changedAt: sampleSeconds,
        certificates: [certificate('d1')],
      },
    ]);
    expect(state.enrollmentTokens.get('t1')).toEqual({
      id: 't1',
      secretHash: sha256('t1'),
      user: 'alice@example.org',
      role: 'laptop',
      expiresAt: sampleSeconds + 86_400,
      usedBy: 'd1',
    });
    expect(state.head.sequence).toBe(3);
  });

  it('adds a renewed certificate and drops those that have expired, but no other', () => {
    const state = stateOf(
      created,
      tokenCreated('t1'),
      enrolled('d1', 't1'),
      renewed('d1', 'expired', sampleSeconds - 1),
      renewed('d1', 'new'),
    );
    expect(state.devices.get('d1' as DeviceId)?.certificates).toEqual([
      certificate('d1'),
      certificate('new'),
    ]);
  });

  it('changes the state of a device, with why, by whom and when', () => {
    const state = stateOf(
      created,
      tokenCreated('t1'),
      enrolled('d1', 't1'),
      deviceState('d1', 'quarantined'),
    );
    expect(state.devices.get('d1' as DeviceId)).toMatchObject({
      state: 'quarantined',
      reason: 'test',
      changedBy: 'test',
      changedAt: sampleSeconds,
    });
  });

  it('publishes and retires keys, makes and revokes API keys', () => {
    const state = stateOf(
      created,
      { type: 'key-published', key },
      { type: 'key-retired', kid: 'k1' },
      { type: 'api-key-created', id: 'a1', name: 'ops', secretHash: sha256('a1') },
      { type: 'api-key-revoked', id: 'a1' },
    );
    expect(state.signingKeys.get('k1')).toEqual({ ...key, retiredAt: sampleSeconds });
    expect(state.apiKeys.get('a1')).toEqual({
      id: 'a1',
      name: 'ops',
      secretHash: sha256('a1'),
      role: 'owner',
      createdAt: sampleSeconds,
      revokedAt: sampleSeconds,
    });
  });

  it('keeps role, scopes and end of an API key, and takes one from before there were roles for an owner', () => {
    const old = { type: 'api-key-created', id: 'a1', name: 'admin', secretHash: sha256('a1') } as const;
    const narrowed = {
      type: 'api-key-created',
      id: 'a2',
      name: 'inventory',
      secretHash: sha256('a2'),
      role: 'auditor',
      scopes: ['devices:read'],
      expiresAt: sampleSeconds + 60,
    } as const;
    const { apiKeys } = stateOf(created, old, narrowed);
    const { type: _, ...rest } = narrowed;
    expect(apiKeys.get('a1')).toMatchObject({ role: 'owner' });
    expect(apiKeys.get('a2')).toEqual({ ...rest, createdAt: sampleSeconds });
  });

  it('withdraws a token, and knows which time a restore lost', () => {
    const restored = { type: 'installation-restored', from: sampleSeconds - 60 } as const;
    const before = stateOf(created, tokenCreated('t1'));
    const state = stateOf(created, tokenCreated('t1'), withdrawn('t1'), restored);
    expect(before.enrollmentTokens.get('t1')).not.toHaveProperty('withdrawnAt');
    expect(state.enrollmentTokens.get('t1')).toMatchObject({ withdrawnAt: sampleSeconds });
    expect(state.lostTimes).toEqual([{ from: sampleSeconds - 60, to: sampleSeconds }]);
    expect(copyState(state)).toEqual(state);
  });

  it('puts, replaces and deletes resources', () => {
    const other = {
      type: 'resource-put',
      resource: { kind: 'Network', name: 'a', attach: { direct: true } },
    } as const;
    const state = stateOf(created, networkPut('a'), other, networkPut('b'), {
      type: 'resource-deleted',
      kind: 'Network',
      name: 'b',
    });
    expect([...state.networks.values()]).toEqual([other.resource]);
  });

  const device: readonly ControlEvent[] = [created, tokenCreated('t1'), enrolled('d1', 't1')];
  it.each<[string, readonly ControlEvent[], string]>([
    ['anything before the organization', [networkPut('a')], 'before the organization was created'],
    ['a second organization', [created, created], 'the organization exists'],
    [
      'a key under a known identifier',
      [created, { type: 'key-published', key }, { type: 'key-published', key }],
      'k1 exists',
    ],
    ['the retirement of an unknown key', [created, { type: 'key-retired', kid: 'k1' }], 'k1'],
    ['the revocation of an unknown API key', [created, { type: 'api-key-revoked', id: 'a1' }], 'a1'],
    ['a token under a known identifier', [created, tokenCreated('t1'), tokenCreated('t1')], 't1 exists'],
    [
      'a token for a connector of no network',
      [created, { ...tokenCreated('t1'), role: 'connector' } as ControlEvent],
      'one network',
    ],
    ['enrollment with an unknown token', [created, enrolled('d1', 't1')], 'never made'],
    ['the withdrawal of an unknown token', [created, withdrawn('t1')], 't1'],
    ['the withdrawal of a used token', [...device, withdrawn('t1')], 't1 was used'],
    [
      'a token withdrawn twice',
      [created, tokenCreated('t1'), withdrawn('t1'), withdrawn('t1')],
      'is withdrawn',
    ],
    [
      'enrollment with a withdrawn token',
      [created, tokenCreated('t1'), withdrawn('t1'), enrolled('d1', 't1')],
      'withdrawn',
    ],
    ['enrollment with a used token', [...device, enrolled('d2', 't1')], 'used by d1'],
    [
      'enrollment for another user',
      [created, tokenCreated('t1'), enrolled('d1', 't1', 'bob@example.org')],
      'another user',
    ],
    [
      'enrollment in another role',
      [created, tokenCreated('t1'), { ...enrolled('d1', 't1'), role: 'connector' } as ControlEvent],
      'another user, role',
    ],
    ['a device enrolled twice', [...device, tokenCreated('t2'), enrolled('d1', 't2')], 'd1 exists'],
    ['renewal of an unknown device', [created, renewed('d1', 'x')], 'd1'],
    [
      'renewal of a revoked device',
      [...device, deviceState('d1', 'revoked'), renewed('d1', 'x')],
      'is revoked',
    ],
    ['renewal with a known certificate', [...device, renewed('d1', 'd1')], 'has this certificate'],
    ['a state of an unknown device', [created, deviceState('d1', 'active')], 'd1'],
    [
      'deletion of what is not there',
      [created, { type: 'resource-deleted', kind: 'App', name: 'a' }],
      'App a',
    ],
  ])('refuses to read %s, and stays as it was', (_, events, message) => {
    const before = stateOf(...events.slice(0, -1));
    const state = copyState(before);
    const entry = linkEntry(state.head, { at: sampleTime, actor: 'x', event: events.at(-1) as ControlEvent });
    const error = catchError(() => applyEntry(state, entry));
    expect(error).toBeInstanceOf(LedgerCorrupt);
    expect(error).toMatchObject({ sequence: events.length, message: expect.stringContaining(message) });
    expect(state).toEqual(before);
  });

  it.each<[string, unknown, string]>([
    [
      'an event of a later version, by its type',
      { type: 'device-teleported', device: 'd1' },
      'event type "device-teleported" is not known to this version',
    ],
    [
      'the name of something that every object has',
      { type: 'constructor' },
      'event type "constructor" is not known',
    ],
    [
      'an event with a member that this version does not know',
      { ...created, realm: 'x' },
      'event organization-created is malformed',
    ],
    [
      'an event that lacks a member',
      { type: 'organization-created' },
      'event organization-created is malformed',
    ],
    [
      'a state that there is not',
      { type: 'device-state-changed', device: 'd1', state: 'forgiven', reason: '' },
      'malformed at /state',
    ],
    [
      'a role that there is not',
      { type: 'api-key-created', id: 'a', name: 'a', secretHash: sha256('a'), role: 'king' },
      'malformed at /role',
    ],
    [
      'a resource that its schema refuses',
      { type: 'resource-put', resource: { kind: 'Network', name: 'a', attach: {} } },
      'malformed',
    ],
    ['no event', 'created', 'event has no type'],
  ])('names %s', (_, event, message) => {
    const entry = linkEntry(emptyState().head, { at: 1, actor: 'x', event: event as ControlEvent });
    expect(catchError(() => applyEntry(emptyState(), entry))).toMatchObject({
      name: 'LedgerCorrupt',
      sequence: 1,
      message: expect.stringContaining(message),
    });
  });

  it('refuses a gap and an entry of another chain', () => {
    const state = stateOf(created);
    const gap = linkEntry({ ...state.head, sequence: 2 }, { at: 1, actor: 'x', event: networkPut('a') });
    const fork = linkEntry(
      { sequence: 1, hash: 'b'.repeat(64) },
      { at: 1, actor: 'x', event: networkPut('a') },
    );
    expect(() => applyEntry(state, gap)).toThrow('entry 2 is missing');
    expect(() => applyEntry(state, fork)).toThrow('entry 2 does not follow');
    const next = linkEntry(state.head, { at: 1, actor: 'x', event: networkPut('a') });
    applyEntry(state, next);
    expect(state.head).toEqual(headOf(next));
  });
});

function catchError(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
