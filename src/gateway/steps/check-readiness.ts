import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';

/** Without a state, keys to verify with, or a disk that takes records, nothing passes. */
export function checkReadiness(flow: Flow, gateway: Gateway): Refusal | undefined {
  if (gateway.isDraining()) return refuse('shutting-down');
  if (!gateway.record.healthy()) return refuse('not-ready', 'flow records cannot be written');
  if (!gateway.record.hasRoomFor(flow))
    return refuse('not-ready', 'flow records have all the room that they may take');
  return gateway.isReady() ? undefined : refuse('not-ready', 'no organization or no session keys');
}
