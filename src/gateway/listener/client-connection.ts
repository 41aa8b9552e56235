import type { TLSSocket } from 'node:tls';
import type { Refusal } from '../../contract/refusals.ts';
import type { ConnectionFacts } from '../../domain/flow.ts';
import type { Subject, VerifiedCertificate } from '../../domain/subject.ts';
import type { Bag } from './bag.ts';
import type { Grant } from '../grants.ts';
import type { InnerChallenge } from '../tunnels/tunnel-challenge.ts';

/** The session token that a connection carries, once it was verified. */
export interface Session {
  /** The credentials as they were sent: an equal string needs no second verification. */
  readonly raw: string;
  readonly subject: Subject;
}

/** One TLS connection of an identified device. What is true for all its requests is worked out once and kept here. */
export interface ClientConnection {
  readonly facts: ConnectionFacts;
  readonly certificate: VerifiedCertificate;
  readonly socket: TLSSocket;
  /** The app's host that was asked for by TLS server name; undefined for the gateway's own name or none. */
  readonly appHost: string | undefined;
  session: Session | undefined;
  /**
   * Of a browser without an agent, by its cookie. Apart from `session`: only a request that bears the cookie is of it,
   * because a browser leaves it out where another site is behind the request.
   */
  browser: Session | undefined;
  /** A token under verification: requests that come with the same one wait for the same answer. */
  verifying: { readonly raw: string; readonly result: Promise<Refusal | undefined> } | undefined;
  /** The last one that a request inside a tunnel met, until the agent is told. */
  challenge: InnerChallenge | undefined;
  /** Asks for the laptop's posture, where what speaks HTTP on this connection can be asked for something. */
  askPosture: (() => void) | undefined;
  /** Flows that live on this connection. */
  readonly grants: Bag<Grant>;
}
