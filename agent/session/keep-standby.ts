import type { AgentConfig } from '../../src/contract/control-api.ts';
import { describeError } from '../agent-error.ts';
import { startStopwatch } from '../clock.ts';
import { fullJitter, standbyLimits } from './backoff.ts';
import { gatewaysOf, leadsTo, substitutesFor } from './gateways.ts';
import type { Gateway } from './gateways.ts';
import { sleepUnlessHastened, stableSeconds } from './keeping.ts';
import type { Keeping } from './keeping.ts';

/**
 * Keeps a second session ready, to a gateway in another zone where there is one, so that the loss of a gateway costs its
 * laptops no handshake, and the gateways that are left no storm of them. It is renewed without haste.
 */
export async function keepStandby(keeping: Keeping): Promise<void> {
  const { clock, config, identities, log, random, sessions, signal } = keeping;
  let attempt = 0;
  let held = (): number => Infinity;
  /** After a failure any other gateway will do. */
  const choicesOf = (known: AgentConfig | undefined): readonly Gateway[] => {
    const current = sessions.current();
    if (current === undefined || known === undefined) return [];
    const gateways = gatewaysOf(known);
    return attempt === 0
      ? substitutesFor(current, gateways)
      : gateways.filter((gateway) => !leadsTo(current, gateway));
  };
  const isFit = (): boolean => {
    const current = sessions.current();
    const standby = sessions.standby();
    const known = config.current();
    if (current === undefined || standby === undefined || known === undefined) return false;
    return (
      standby.credentials === identities.current().credentials &&
      gatewaysOf(known).some((gateway) => leadsTo(standby, gateway) && !leadsTo(current, gateway))
    );
  };
  while (!signal.aborted) {
    const isWanted = choicesOf(config.current()).length > 0;
    if (!isWanted || isFit()) {
      if (!isWanted && sessions.current() !== undefined) sessions.standby()?.drain();
      await sessions.changed.next();
      continue;
    }
    if (held() < stableSeconds) attempt += 1;
    await sleepUnlessHastened(keeping, fullJitter(attempt, standbyLimits, random));
    if (signal.aborted || choicesOf(config.current()).length === 0 || isFit()) continue;
    try {
      const session = await keeping.establish(false, choicesOf);
      sessions.hold(session);
      keeping.onSession();
      held = startStopwatch(clock);
      attempt = 0;
      log.info({ gateway: session.address, zone: session.zone }, 'standby session ready');
    } catch (error) {
      held = () => Infinity;
      attempt += 1;
      if (!signal.aborted) log.info({ reason: describeError(error) }, 'no standby session');
    }
  }
}
