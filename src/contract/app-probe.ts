import { Type } from 'typebox';
import type { Static } from 'typebox';

/**
 * Under the gateway's own name: may this laptop reach that application, and does it answer? Followed by the
 * application's name. A refusal is the one that a request would get.
 */
export const probePath = '/.well-known/postern/probe/';

/** What a gateway answers where the policies allow it. */
export const AppProbe = Type.Object({
  app: Type.String(),
  allowed: Type.Literal(true),
  /** The connector had a socket to the application; false where there is none to be had, as for UDP. */
  connected: Type.Boolean(),
});
export type AppProbe = Static<typeof AppProbe>;
