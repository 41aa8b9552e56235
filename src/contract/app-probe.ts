import { Type } from 'typebox';
import type { Static } from 'typebox';

/**
 * Under the gateway's own name: may this laptop reach that application, and does it answer? Followed by the
 * application's name. A refusal is the one that a request would get.
 */
export const probePath = '/.well-known/postern/probe/';

/** What the last flow of datagrams showed of the upstream that was tried, no matter whose flow it was. */
export const DatagramSign = Type.Object({
  /** `unreachable`: its host said that nobody listens. `silent`: it was sent something and did not answer, as some never do. */
  last: Type.Enum(['answered', 'silent', 'unreachable']),
  secondsAgo: Type.Integer({ minimum: 0 }),
});
export type DatagramSign = Static<typeof DatagramSign>;

/** What a gateway answers where the policies allow it. */
export const AppProbe = Type.Object({
  app: Type.String(),
  allowed: Type.Literal(true),
  /** The connector had a connection to the application; false where there is none to be had, as for UDP. */
  connected: Type.Boolean(),
  /** Of a UDP app: the connector had a socket that leads to it. What that cannot tell, the last flow may. */
  datagrams: Type.Optional(Type.Object({ sign: Type.Optional(DatagramSign) })),
  /** The last tunnel to it on the same connection was not what the application speaks, and was cut: its flow, and when. */
  cut: Type.Optional(Type.Object({ flow: Type.String(), secondsAgo: Type.Integer({ minimum: 0 }) })),
});
export type AppProbe = Static<typeof AppProbe>;
