import type { Socket as DatagramSocket } from 'node:dgram';
import type { OnReadOpts, Socket } from 'node:net';
import type { DialFailure, UpstreamAddress } from '../contract/ipc.ts';

/** A connected socket inside a private network, nothing read from it yet. */
export interface DialledSocket {
  /** Not flowing until its owner reads. Half-open only if the owner sets `allowHalfOpen`. */
  readonly socket: Socket;
  /** The numeric address that was dialled, for the flow record. */
  readonly address: string;
}

/** A datagram socket inside a private network that knows one peer. That the peer is there it cannot know. */
export interface DialledDatagrams {
  readonly socket: DatagramSocket;
  /** The numeric address of the peer, for the flow record. */
  readonly address: string;
}

export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
  /** Where the socket puts what it reads, instead of in buffers of its own. */
  readonly onread?: OnReadOpts | undefined;
}

/**
 * The only way into a private network. A dialer opens one connection to one upstream that is registered for that
 * network. @throws DialError for every way in which that can fail; the reason of `signal` when it aborts.
 */
export interface Dialer {
  dial(network: string, upstream: UpstreamAddress, options?: DialOptions): Promise<DialledSocket>;
  /** The same for an upstream that is registered for UDP. */
  dialDatagrams(network: string, upstream: UpstreamAddress, signal?: AbortSignal): Promise<DialledDatagrams>;
}

/** No socket, and why. `detail` is for log and record, not for the peer. */
export class DialError extends Error {
  override readonly name = 'DialError';
  readonly failure: DialFailure;
  readonly detail: string;
  constructor(failure: DialFailure, detail: string) {
    super(`${failure}: ${detail}`);
    this.failure = failure;
    this.detail = detail;
  }
}
