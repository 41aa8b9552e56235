import { refusals } from '../../../src/contract/refusals.ts';
import type { RefusalCode } from '../../../src/contract/refusals.ts';

/** RFC 1928, section 6. */
export const reply = {
  succeeded: 0x00,
  generalFailure: 0x01,
  notAllowed: 0x02,
  networkUnreachable: 0x03,
  hostUnreachable: 0x04,
  connectionRefused: 0x05,
  timedOut: 0x06,
  commandNotSupported: 0x07,
  addressTypeNotSupported: 0x08,
} as const;
export type Reply = (typeof reply)[keyof typeof reply];

/** What programs say of each: where it was, not what a policy thought. `postern-agent status` names the code. */
const byCode: Partial<Record<RefusalCode, Reply>> = {
  'agent-not-connected': reply.networkUnreachable,
  'connector-unavailable': reply.networkUnreachable,
  'shutting-down': reply.networkUnreachable,
  'not-ready': reply.networkUnreachable,
  'application-unknown': reply.hostUnreachable,
  'upstream-unreachable': reply.hostUnreachable,
  'port-unknown': reply.connectionRefused,
  'upstream-reset': reply.connectionRefused,
  'upstream-timeout': reply.timedOut,
};

/** The reply that tells a SOCKS client of a refusal; where it is one of the gateway's that we do not know, by its status. */
export function replyOfRefusal(code: string, status: number): Reply {
  const known = Object.hasOwn(refusals, code) ? byCode[code as RefusalCode] : undefined;
  if (known !== undefined) return known;
  return status === 401 || status === 403 ? reply.notAllowed : reply.generalFailure;
}
