import type { FlowFacts, SessionEvent } from '../../domain/flow.ts';
import type { Context } from './context.ts';
import { activityOf } from './envelope.ts';
import type { Draft, Origin } from './envelope.ts';
import { sessionObject, userObject } from './parties.ts';
import { asciiMembers } from './safe-text.ts';
import { trafficMembers } from './traffic.ts';

/**
 * OCSF class 4014: the session of an agent, which is a tunnel for some of what a laptop sends. The tunnels and requests in
 * it bear the same connection id.
 */
export function createTunnelActivity(
  origin: Origin,
): (facts: FlowFacts, event: SessionEvent, context: Context) => Draft {
  const named = (id: number, name: string) => activityOf(4014, 'Tunnel Activity', id, name, origin);
  const activities = { open: named(1, 'Open'), close: named(2, 'Close'), renew: named(3, 'Renew') };
  return (facts, event, context) => {
    const { subject } = facts;
    const own = asciiMembers({
      tunnel_type_id: 1,
      tunnel_type: 'Split Tunnel',
      protocol_name: 'HTTP/2 over TLS',
      user: userObject(subject),
      ...(subject === undefined ? {} : { session: sessionObject(subject) }),
    });
    const outcome = event.kind === 'close' ? event.outcome : undefined;
    const traffic = outcome === undefined ? '' : `,${trafficMembers(outcome)}`;
    return {
      activity: activities[event.kind],
      content: 'credentials',
      facts,
      outcome,
      time: event.kind === 'close' ? event.outcome.endedAt : event.at,
      members: `,${own}${traffic},${context.network}`,
      context,
      postern: '',
      truncated: [],
    };
  };
}
