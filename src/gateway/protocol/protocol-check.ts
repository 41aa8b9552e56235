import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Expectation } from '../../domain/expected-protocol.ts';
import type { InspectionOutcome } from '../../domain/inspection.ts';
import { createPrefix } from '../../inspection/prefix.ts';
import { unexpected } from '../../inspection/protocols/recognizer.ts';
import type { Reading, Side, Unexpected } from '../../inspection/protocols/recognizer.ts';
import { createRecognizer, guessProtocol } from '../../inspection/protocols/recognizers.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import type { SituationKind } from '../records/situations.ts';

/** Looks at the first bytes of a tunnel, and has no part in it any more once they are known. */
export interface ProtocolCheck {
  /** Whether this side need not be looked at any more. */
  isDone(side: Side): boolean;
  /** Looks at what came. It may be kept, so it must not be lent. @returns what may pass now, if anything. */
  look(side: Side, bytes: Buffer): Buffer | undefined;
  /** Nothing more comes from this side. @returns what may pass before its end. */
  end(side: Side): Buffer | undefined;
  /** The tunnel is over. */
  stop(): void;
}

const rule = 'tunnel-other-protocol';
const cutOff: SituationKind = {
  rule,
  title: 'Tunnels that are not what they claim to be',
  description: 'Their first bytes were not what the application speaks, and they were cut.',
  severity: 'medium',
};
const letThrough: SituationKind = {
  rule,
  title: 'Tunnels that are not what they claim to be, let through',
  description:
    'Their first bytes were not what the application speaks; it is set to record only, so that they went on.',
  severity: 'high',
};

/** A side of a tunnel that is not what it should be. */
export interface UnexpectedSide {
  readonly side: Side;
  readonly reading: Unexpected;
  readonly protocol: string;
  readonly looksLike: string;
  readonly isBlocking: boolean;
}

/** Leaves in the flow what was found in it, and tells the security team. @returns what it is refused with. */
export function noteUnexpected(
  flow: Flow,
  { situations, cutTunnels }: Gateway,
  found: UnexpectedSide,
): Refusal {
  const { side, protocol, looksLike, isBlocking } = found;
  const { unexpected: words, about } = found.reading;
  flow.inspections = {
    ...flow.inspections,
    protocol: {
      state: 'done',
      // Also of what was expected something may be wrong, such as the server name.
      found: [looksLike, 'unexpected'],
      messages: [`from the ${side}: ${words}`],
    },
  };
  if (isBlocking) cutTunnels.note(flow);
  situations.note(flow, isBlocking ? cutOff : letThrough, {
    sums: { tunnels: 1, [side === 'client' ? 'byClient' : 'byUpstream']: 1 },
  });
  const what = about === undefined ? words : `${words} (${about})`;
  return refuse('protocol-unexpected', `${side}: ${what}; expected ${protocol}, looks like ${looksLike}`);
}

/** Bytes that wait until they are recognized. */
interface Held {
  readonly add: (bytes: Buffer) => Buffer;
  bytes: Buffer;
  readonly timer: NodeJS.Timeout;
}

/**
 * Where an application blocks, the bytes of a side are held until they are recognized, so that an application never gets
 * what it is not for; each side by itself, since either may wait for the other. What is held is bounded by what a protocol
 * takes to be told, and by the time that a handshake may take.
 * @param cut ends the tunnel. Where an application only records, it is not called.
 */
export function startProtocolCheck(
  flow: Flow,
  gateway: Gateway,
  { protocol, isBlocking, serverNames }: Expectation,
  cut: (refusal: Refusal) => void,
): ProtocolCheck {
  const { handshakeTimeoutMs } = gateway.settings.limits;
  const recognizer = createRecognizer(protocol, serverNames);
  const held: Record<Side, Held | undefined> = { client: undefined, upstream: undefined };
  const done = new Set<Side>();
  let isOver = false;

  const release = (side: Side): Buffer | undefined => {
    const bytes = held[side]?.bytes;
    clearTimeout(held[side]?.timer);
    held[side] = undefined;
    return bytes;
  };
  const recognized = (side: Side): void => {
    done.add(side);
    if (done.size === 2) gateway.cutTunnels.forget(flow);
    const found = [protocol];
    const outcome: InspectionOutcome =
      done.size === 2 ? { state: 'done', found } : { state: 'partly', why: 'too-few', found };
    flow.inspections = { ...flow.inspections, protocol: outcome };
  };
  const refused = (side: Side, reading: Unexpected, bytes: Buffer): void => {
    done.add('client').add('upstream');
    const looksLike = guessProtocol(side, bytes);
    const refusal = noteUnexpected(flow, gateway, { side, reading, protocol, looksLike, isBlocking });
    if (!isBlocking) return;
    isOver = true;
    cut(refusal);
  };
  const hold = (side: Side, bytes: Buffer): void => {
    const known = held[side];
    if (known !== undefined) {
      known.bytes = known.add(bytes);
      return;
    }
    // In one place: pieces of an octet each would take a hundred times as much.
    const add = createPrefix();
    const expire = (): void => {
      const late = release(side);
      if (late !== undefined) refused(side, unexpected('bytes that come too slowly to be told'), late);
    };
    held[side] = { add, bytes: add(bytes), timer: setTimeout(expire, handshakeTimeoutMs) };
  };
  const settle = (side: Side, reading: Reading, bytes: Buffer): Buffer | undefined => {
    if (reading === 'more') {
      if (!isBlocking) return bytes;
      hold(side, bytes);
      return undefined;
    }
    const before = release(side);
    const all = before === undefined ? bytes : Buffer.concat([before, bytes]);
    if (reading === 'yes') recognized(side);
    else if (reading !== 'pass') refused(side, reading, all);
    return isOver ? undefined : all;
  };

  return {
    isDone: (side) => done.has(side),
    look(side, bytes) {
      if (isOver) return undefined;
      return done.has(side) ? bytes : settle(side, recognizer[side](bytes), bytes);
    },
    end(side) {
      const bytes = release(side);
      if (isOver || bytes === undefined) return undefined;
      // An application that gives up may say so before it is one of its protocol; a client has to be one.
      if (side === 'client') refused(side, unexpected('an end before it can be told'), bytes);
      return isOver ? undefined : bytes;
    },
    stop() {
      isOver = true;
      release('client');
      release('upstream');
    },
  };
}
