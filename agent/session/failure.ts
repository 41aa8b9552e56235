import { describeError } from '../agent-error.ts';
import { KeyUnusable } from '../keys/client-context.ts';
import {
  ControlForeign,
  ControlRefused,
  ControlUnable,
  ControlUnreachable,
} from '../control/control-client.ts';
import type { PeerProblem } from '../control/problem.ts';

/** Each has a name that `status` shows and a sentence in the catalog of messages. */
export type CarrierState =
  | 'connecting'
  | 'connected'
  | 'control-unreachable'
  | 'control-unable'
  | 'control-foreign'
  | 'gateway-unreachable'
  | 'refused'
  | 'sign-in-required'
  | 'revoked'
  | 'lost'
  | 'certificate-expired'
  | 'key-unusable'
  | 'stopped';

/** The gateway answered no. */
export class GatewayRefused extends Error {
  override readonly name = 'GatewayRefused';
  readonly problem: PeerProblem;
  constructor(problem: PeerProblem) {
    super(problem.title);
    this.problem = problem;
  }
}

export interface Failure {
  readonly state: CarrierState;
  /** For `status` and the log. */
  readonly reason: string;
  readonly problem?: PeerProblem;
  /** Only people can change it, so asking often is of no use. */
  readonly slow: boolean;
}

const finalCodes: ReadonlySet<string> = new Set([
  'device-revoked',
  'device-lost',
  'device-unknown',
  'certificate-unknown',
  'certificate-untrusted',
  'certificate-profile',
  'certificate-expired',
  'renewal-too-late',
]);

/** What a refusal says of the laptop itself. */
export function stateOfRefusal({
  code,
}: Pick<PeerProblem, 'code'>): 'revoked' | 'lost' | 'certificate-expired' | 'refused' {
  if (code === 'device-lost') return 'lost';
  if (code === 'renewal-too-late') return 'certificate-expired';
  return code === 'device-revoked' ? 'revoked' : 'refused';
}
/** The user has to sign in (again), as somebody who may. */
const signInCodes: ReadonlySet<string> = new Set(['sign-in-required', 'sign-in-ended', 'sign-in-wrong-user']);

/** What an error on the way to a session means. */
export function classifyFailure(error: unknown, certificateExpired: boolean): Failure {
  if (error instanceof ControlRefused || error instanceof GatewayRefused) {
    const { problem } = error;
    if (signInCodes.has(problem.code))
      return { state: 'sign-in-required', reason: problem.title, problem, slow: true };
    const slow = finalCodes.has(problem.code);
    return { state: stateOfRefusal(problem), reason: problem.title, problem, slow };
  }
  if (error instanceof ControlUnable) {
    const { problem } = error;
    return { state: 'control-unable', reason: problem.title, problem, slow: false };
  }
  const reason = describeError(error);
  if (error instanceof KeyUnusable) return { state: 'key-unusable', reason, slow: false };
  if (error instanceof ControlForeign) return { state: 'control-foreign', reason, slow: false };
  // It may well renew the certificate once it can be asked.
  if (error instanceof ControlUnreachable) return { state: 'control-unreachable', reason, slow: false };
  if (certificateExpired) return { state: 'certificate-expired', reason, slow: true };
  return { state: 'gateway-unreachable', reason, slow: false };
}
