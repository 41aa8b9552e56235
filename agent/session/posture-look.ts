import type { Logger } from 'pino';
import { describeError } from '../agent-error.ts';
import type { PostureProvider } from '../posture/posture-provider.ts';
import type { Identity } from './identity.ts';

/** A laptop that got worse says so at once, and not when its token falls due. One look at a time. */
export function createPostureLook(options: {
  readonly posture: PostureProvider;
  readonly log: Logger;
  inUse(): readonly Identity[];
  /** A token is due. */
  onChange(): void;
}): () => void {
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    try {
      const { checks } = (await options.posture.measure()).report();
      const changed = options.inUse().filter(({ tokens }) => !tokens.standsFor(checks));
      for (const { tokens } of changed) tokens.expedite();
      if (changed.length > 0) options.onChange();
    } catch (error) {
      options.log.warn({ reason: describeError(error) }, 'posture not measured');
    } finally {
      looking = undefined;
    }
  };
  return () => {
    if (options.inUse().length > 0) looking ??= look();
  };
}
