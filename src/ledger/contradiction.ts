import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import { isFinal } from '../domain/device.ts';
import type { ControlEvent } from '../domain/events.ts';
import { mapOfKind } from './resource-maps.ts';

type EventOf<Type extends ControlEvent['type']> = Extract<ControlEvent, { type: Type }>;
type Check<Type extends ControlEvent['type']> = (
  state: ControlState,
  event: EventOf<Type>,
) => Refusal | undefined;

/**
 * Why an event cannot happen in a state, if it cannot. The store refuses to append such an event, and the fold refuses
 * to read it: a log in which a one-time token was used twice or a revoked device came back was not written by us.
 * Revocations only grow, whatever is restored or replayed.
 */
export function findContradiction(state: ControlState, event: ControlEvent): Refusal | undefined {
  if (state.domain === '' && event.type !== 'organization-created')
    return refuse('conflict', `${event.type} before the organization was created`);
  return (checks[event.type] as Check<ControlEvent['type']>)(state, event);
}

function waits({ proposals }: ControlState, { id }: { readonly id: string }): Refusal | undefined {
  return proposals.has(id) ? undefined : refuse('not-found', `change ${id}`);
}

const checks: { readonly [Type in ControlEvent['type']]: Check<Type> } = {
  'organization-created': (state) =>
    state.domain === '' ? undefined : refuse('conflict', 'the organization exists'),
  // Other key material under a known identifier would turn tokens of the old key into tokens of the new.
  'key-published': (state, { key }) =>
    state.signingKeys.has(key.kid) ? refuse('conflict', `signing key ${key.kid} exists`) : undefined,
  'key-retired': (state, { kid }) => {
    const key = state.signingKeys.get(kid);
    if (key === undefined) return refuse('not-found', `signing key ${kid}`);
    return key.retiredAt === undefined ? undefined : refuse('conflict', `signing key ${kid} is retired`);
  },
  'api-key-created': (state, { id }) =>
    state.apiKeys.has(id) ? refuse('conflict', `API key ${id} exists`) : undefined,
  'api-key-revoked': (state, { id }) => {
    const key = state.apiKeys.get(id);
    if (key === undefined) return refuse('not-found', `API key ${id}`);
    return key.revokedAt === undefined ? undefined : refuse('conflict', `API key ${id} is revoked`);
  },
  'enrollment-token-created': (state, { id, role, network, protocol }) => {
    if (state.enrollmentTokens.has(id)) return refuse('conflict', `enrollment token ${id} exists`);
    if ((role === 'connector') !== (network !== undefined))
      return refuse('invalid-input', 'a connector serves one network, others none');
    if (protocol === 'scep' && role === 'connector')
      return refuse('invalid-input', 'a connector does not enroll by SCEP');
    return undefined;
  },
  'enrollment-token-withdrawn': (state, { id }) => {
    const token = state.enrollmentTokens.get(id);
    if (token === undefined) return refuse('not-found', `enrollment token ${id}`);
    if (token.usedBy !== undefined) return refuse('conflict', `enrollment token ${id} was used`);
    return token.withdrawnAt === undefined
      ? undefined
      : refuse('conflict', `enrollment token ${id} is withdrawn`);
  },
  'device-enrolled': (state, event) => {
    const token = state.enrollmentTokens.get(event.enrollmentToken);
    if (token === undefined) return refuse('enrollment-token-invalid', 'never made');
    if (token.usedBy !== undefined) return refuse('enrollment-token-invalid', `used by ${token.usedBy}`);
    if (token.withdrawnAt !== undefined) return refuse('enrollment-token-invalid', 'withdrawn');
    // The token is the only proof at enrollment: it gives its own user and role, never another's.
    if (token.user !== event.user || token.role !== event.role || token.network !== event.network)
      return refuse('enrollment-token-invalid', 'made for another user, role or network');
    // What enrolls by SCEP is of the authority of managed devices, and nothing else that enrolls is.
    if ((token.protocol === 'scep') !== (event.certificate.managed === true))
      return refuse('enrollment-token-invalid', 'made for another way to enroll');
    if (state.devices.has(event.device)) return refuse('conflict', `device ${event.device} exists`);
    return undefined;
  },
  'device-certificate-renewed': (state, { device: id, certificate }) => {
    const device = state.devices.get(id);
    if (device === undefined) return refuse('not-found', `device ${id}`);
    if (isFinal(device)) return refuse('state-final', `device ${id} is ${device.state}`);
    if (device.certificates.some((known) => known.thumbprint === certificate.thumbprint))
      return refuse('conflict', `device ${id} has this certificate`);
    return undefined;
  },
  'device-bundle-made': (state, { device, certificate }) => {
    if (certificate.managed !== true)
      return refuse('conflict', 'a bundle is of the authority of managed devices');
    return state.devices.has(device) ? refuse('conflict', `device ${device} exists`) : undefined;
  },
  // Neither a quarantine that a person set nor anything final ends by what the device says of itself.
  'device-posture-accepted': (state, { device: id }) => {
    const device = state.devices.get(id);
    if (device === undefined) return refuse('not-found', `device ${id}`);
    return device.awaits === undefined
      ? refuse('conflict', `device ${id} is ${device.state} and awaits no posture`)
      : undefined;
  },
  'device-state-changed': (state, { device: id, state: next }) => {
    const device = state.devices.get(id);
    if (device === undefined) return refuse('not-found', `device ${id}`);
    if (isFinal(device) && (next === 'active' || next === 'quarantined'))
      return refuse('state-final', `device ${id} is ${device.state}`);
    return undefined;
  },
  // Ended twice is ended.
  'sign-in-ended': () => undefined,
  'person-erased': () => undefined,
  'change-proposed': (state, { id }) =>
    state.proposals.has(id) ? refuse('conflict', `change ${id} exists`) : undefined,
  'change-approved': waits,
  'change-rejected': waits,
  'resource-put': () => undefined,
  'resource-deleted': (state, { kind, name }) =>
    mapOfKind(state, kind).has(name) ? undefined : refuse('not-found', `${kind} ${name}`),
  'installation-restored': () => undefined,
};
