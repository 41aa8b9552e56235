import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  formatEnrollmentToken,
  formatScepChallenge,
  parseEnrollmentToken,
  parseScepChallenge,
} from '../contract/enrollment-token.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState, EnrollmentToken } from '../domain/control-state.ts';
import type { DeviceRole } from '../domain/device.ts';
import { findUserProblem } from '../domain/user-name.ts';
import type { NetworkName, UserName } from '../domain/ids.ts';
import type { Change } from './control-store.ts';

export const defaultTtlSeconds = 86_400;
const bounds = { minimumSeconds: 60, maximumSeconds: 30 * 86_400 } as const;

export interface NewEnrollmentToken {
  readonly id: string;
  /** For the person who enrolls; it cannot be had again. */
  readonly token: string;
  readonly user: UserName;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/**
 * A one-time token that lets one machine enroll for one user in one role. The state keeps the hash of its secret, so
 * neither the ledger nor a backup of it can enroll anything. Refuses a connector without a network that exists.
 */
export function createEnrollmentToken(
  state: ControlState,
  request: {
    readonly user: string;
    readonly role?: DeviceRole;
    readonly network?: string;
    /** Makes the challenge of SCEP instead. */
    readonly protocol?: 'scep';
    readonly ttlSeconds?: number;
    /** base64url SHA-256 of the root certificate's DER: what the enrolling machine will trust. */
    readonly rootFingerprint: string;
    /** Epoch seconds. */
    readonly now: number;
  },
): Change<NewEnrollmentToken> | Refusal {
  const { role = 'laptop', ttlSeconds = defaultTtlSeconds, protocol, now } = request;
  const user = request.user as UserName;
  const network = request.network as NetworkName | undefined;
  const problem = findUserProblem(user);
  if (problem !== undefined) return refuse('invalid-input', `user: ${problem}`);
  if (
    !Number.isInteger(ttlSeconds) ||
    ttlSeconds < bounds.minimumSeconds ||
    ttlSeconds > bounds.maximumSeconds
  ) {
    return refuse(
      'invalid-input',
      `ttl: between ${bounds.minimumSeconds} and ${bounds.maximumSeconds} seconds`,
    );
  }
  if (role === 'connector' && network === undefined) {
    return refuse('invalid-input', 'network: a connector serves one private network');
  }
  if (role !== 'connector' && network !== undefined) {
    return refuse('invalid-input', 'network: only a connector has one');
  }
  if (network !== undefined && !state.networks.has(network)) {
    return refuse('invalid-input', `network: there is none of the name ${network}`);
  }
  if (protocol === 'scep' && role === 'connector')
    return refuse('invalid-input', 'role: a connector does not enroll by SCEP');
  const isScep = protocol === 'scep';
  const id = isScep ? randomBytes(8).toString('hex') : randomBytes(12).toString('base64url');
  const secret = isScep ? randomBytes(20).toString('hex') : randomBytes(32).toString('base64url');
  const expiresAt = now + ttlSeconds;
  return {
    events: [
      {
        type: 'enrollment-token-created',
        id,
        secretHash: hashSecret(secret).toString('base64url'),
        user,
        role,
        ...(network === undefined ? {} : { network }),
        ...(protocol === undefined ? {} : { protocol }),
        expiresAt,
      },
    ],
    value: {
      id,
      token: isScep
        ? formatScepChallenge({ id, secret })
        : formatEnrollmentToken({ rootFingerprint: request.rootFingerprint, id, secret }),
      user,
      expiresAt,
    },
  };
}

/** What an unknown token is compared with, so that looking one up takes as long as being wrong about its secret. */
const noHash = Buffer.alloc(32).toString('base64url');

/**
 * The token's facts, if it is good for one enrollment now, by this protocol. One code for every way to be wrong: a stranger learns
 * nothing about which tokens exist.
 */
export function checkEnrollmentToken(
  state: ControlState,
  token: string,
  now: number,
  protocol?: 'scep',
): EnrollmentToken | Refusal {
  const parts = protocol === 'scep' ? parseScepChallenge(token) : parseEnrollmentToken(token);
  if (parts === undefined) return refuse('enrollment-token-invalid', 'malformed');
  const known = state.enrollmentTokens.get(parts.id);
  const expected = Buffer.from(known?.secretHash ?? noHash, 'base64url');
  const given = hashSecret(parts.secret);
  const matches = expected.length === given.length && timingSafeEqual(expected, given);
  if (known === undefined) return refuse('enrollment-token-invalid', 'unknown');
  if (!matches) return refuse('enrollment-token-invalid', `wrong secret for ${known.id}`);
  if (known.protocol !== protocol)
    return refuse('enrollment-token-invalid', `${known.id} is for another way to enroll`);
  if (known.usedBy !== undefined)
    return refuse('enrollment-token-invalid', `${known.id} was used by ${known.usedBy}`);
  if (known.withdrawnAt !== undefined) return refuse('enrollment-token-invalid', `${known.id} was withdrawn`);
  if (now >= known.expiresAt) return refuse('enrollment-token-invalid', `${known.id} has expired`);
  if (known.network !== undefined && !state.networks.has(known.network)) {
    return refuse('enrollment-token-invalid', `network ${known.network} of ${known.id} is gone`);
  }
  return known;
}
