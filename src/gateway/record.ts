import type { Refusal } from '../contract/refusals.ts';
import type { FlowOutcome, FlowRecorder } from '../domain/flow.ts';
import { factsOf } from './exchange.ts';
import type { Exchange } from './exchange.ts';

/** Writes the record of an exchange, once, however it ended. False when it had ended before. */
export function recordExchange(
  recorder: FlowRecorder,
  exchange: Exchange,
  end: {
    readonly status?: number;
    readonly refusal?: Refusal;
    readonly endedBy: FlowOutcome['endedBy'];
    readonly endedAt: number;
  },
): boolean {
  if (exchange.finished) return false;
  exchange.finished = true;
  const { refusal, status, endedBy, endedAt } = end;
  const carried = exchange.origin.tunnel?.carried;
  if (carried !== undefined) {
    carried.bytesIn += exchange.bytesIn;
    carried.bytesOut += exchange.bytesOut;
  }
  recorder.request(factsOf(exchange), {
    endedAt,
    bytesIn: exchange.bytesIn,
    bytesOut: exchange.bytesOut,
    endedBy,
    ...(status === undefined ? {} : { status }),
    ...(refusal === undefined ? {} : { refusal: refusal.code }),
    ...(refusal?.detail === undefined ? {} : { detail: refusal.detail }),
  });
  return true;
}
