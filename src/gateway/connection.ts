import type { Duplex } from 'node:stream';
import type { ConnectionFacts } from '../domain/flow.ts';
import type { FlowId } from '../domain/ids.ts';
import type { App } from '../domain/resources.ts';
import type { Subject, VerifiedCertificate, VerifiedToken } from '../domain/subject.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { Grant } from './grants.ts';

/**
 * One TLS connection of a known device: what was proven once and holds for every request on it.
 * The token is remembered with the header that brought it, so that repeating it costs one comparison.
 */
export interface ClientConnection {
  readonly facts: ConnectionFacts;
  readonly certificate: VerifiedCertificate;
  /** Lower-case TLS server name; undefined when the client sent none. */
  readonly serverName: string | undefined;
  readonly transport: Duplex;
  rawAuthorization: string | undefined;
  subject: Subject | undefined;
  /** A verification under way, so that the first requests of a session share one. */
  verifying: { readonly raw: string; readonly result: Promise<VerifiedToken | Refusal> } | undefined;
  readonly grants: Set<Grant>;
  /** Why the gateway ended the whole connection, once it did. */
  endedBecause: Refusal | undefined;
}

/** Where a request came in: on the connection itself, or inside a tunnel to one http app. */
export interface Origin {
  readonly connection: ClientConnection;
  readonly tunnel?: {
    readonly flow: FlowId;
    readonly app: App;
    readonly port: number;
    readonly scheme: 'http' | 'https';
    /** What its requests carried, for the tunnel's own record. */
    readonly carried: { bytesIn: number; bytesOut: number };
  };
}
