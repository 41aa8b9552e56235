import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';

/**
 * Whether the application asks for an inspection that this gateway does not have. It then lets nothing through: an
 * application that is to be inspected is never reached uninspected.
 */
export function inspect({ app, local }: Flow, { inspections }: Gateway): Refusal | undefined {
  if (local !== undefined && local !== 'probe') return undefined;
  const missing = app?.inspect?.filter((name) => !inspections.has(name)) ?? [];
  return missing.length === 0 ? undefined : refuse('inspection-unavailable', missing.join(', '));
}
