import { createHash } from 'node:crypto';
import type { ControlState } from '../../src/domain/control-state.ts';
import type { IssuedCertificate } from '../../src/domain/device.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import { linkEntries } from '../../src/ledger/chain.ts';
import { applyEntry, emptyState } from '../../src/ledger/fold.ts';

export const sampleTime = Date.UTC(2026, 0, 5, 8);
export const sampleSeconds = sampleTime / 1000;
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

export const created: ControlEvent = { type: 'organization-created', domain: 'example.org' };

export const certificate = (name: string, notAfter = sampleSeconds + 604_800): IssuedCertificate => ({
  serial: createHash('sha256').update(name).digest('hex').slice(0, 30).toUpperCase().replace(/^0/, '1'),
  thumbprint: sha256(name),
  notAfter,
});

export const tokenCreated = (id: string, user = 'alice@example.org'): ControlEvent => ({
  type: 'enrollment-token-created',
  id,
  secretHash: sha256(id),
  user: user as UserName,
  role: 'laptop',
  expiresAt: sampleSeconds + 86_400,
});

export const enrolled = (device: string, token: string, user = 'alice@example.org'): ControlEvent => ({
  type: 'device-enrolled',
  device: device as DeviceId,
  enrollmentToken: token,
  user: user as UserName,
  role: 'laptop',
  certificate: certificate(device),
});

export const deviceState = (
  device: string,
  state: 'active' | 'quarantined' | 'revoked' | 'lost',
): ControlEvent => ({ type: 'device-state-changed', device: device as DeviceId, state, reason: 'test' });

export const networkPut = (name: string): ControlEvent => ({
  type: 'resource-put',
  resource: { kind: 'Network', name, attach: { netns: `pn-${name}` } },
});

/** The fold of events that happened one after another. */
export function stateOf(...events: readonly ControlEvent[]): ControlState {
  const state = emptyState();
  for (const entry of linkEntries(state.head, sampleTime, 'test', events)) applyEntry(state, entry);
  return state;
}
