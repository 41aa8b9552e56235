import type { Refusal } from '../../contract/refusals.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { Change } from '../../ledger/store.ts';
import type { ControlParts } from '../api/control-parts.ts';
import { orThrow } from '../api/refused.ts';

export interface Enforced<Value> {
  readonly value: Value;
  /** From before the commit until every worker had it in force. */
  readonly enforcedInMs: number;
  readonly workersPending: number;
}

/** Makes a change and answers when it is in force everywhere. @throws GatewayError for a refusal. */
export async function commitEnforced<Value>(
  parts: ControlParts,
  actor: string,
  decide: (state: ControlState) => Change<Value> | Refusal,
): Promise<Enforced<Value>> {
  return awaitEnforced(parts, parts.store.commit(actor, decide));
}

/** The same for a commit that someone else makes, such as enrollment. */
export async function awaitEnforced<Value>(
  parts: ControlParts,
  committed: Promise<Value | Refusal>,
): Promise<Enforced<Value>> {
  const start = performance.now();
  const value = orThrow(await committed);
  // The head may have moved on since; whoever has that has our change too.
  const { pending } = await parts.fleet.applied(parts.store.state.head.sequence, parts.enforcementTimeoutMs);
  const enforcedInMs = Math.round((performance.now() - start) * 10) / 10;
  return { value, enforcedInMs, workersPending: pending };
}
