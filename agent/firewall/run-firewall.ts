import type { Logger } from 'pino';
import { AgentError, describeError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { startStopwatch } from '../clock.ts';
import { postureChecks } from '../posture/checks.ts';
import { laptopPosture } from '../posture/laptop-posture.ts';
import { publishFindings } from '../posture/published-findings.ts';
import { createSystemFiles, glanceAt } from '../posture/system-files.ts';
import { createFirewallKeeper } from './firewall-keeper.ts';
import { statePaths } from '../state/state-directory.ts';
import { readEnrollment } from './firewall-files.ts';
import type { FirewallFiles } from './firewall-files.ts';
import type { PacketFilter } from './packet-filters.ts';
import { realNetwork } from './peers.ts';
import { publishFirewall } from './published-firewall.ts';
import type { FirewallState } from './published-firewall.ts';

/** How often we look whether the agent carries something new, or somebody touched the rules. */
const glanceIntervalMs = 4000;
const leastPauseMs = 500;
/** How often everything is looked at whether or not something was seen: also the names of gateways. */
const lookIntervalSeconds = 60;

export interface FirewallOptions {
  readonly files: FirewallFiles;
  /** Of the agent: the first enrollment that is found there is adopted. */
  readonly stateDirectory: string;
  readonly filter: PacketFilter;
  readonly clock: Clock;
  readonly log: Logger;
  readonly firewallFile: string;
  readonly findingsFile: string;
  /** Called once what was last signed is in force again. */
  onFirstLook(): Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Keeps firewall and published findings until the signal aborts. What it loaded stays then: whoever stops the helper does
 * not open the machine.
 */
export async function runFirewall(options: FirewallOptions): Promise<void> {
  const { clock, files, log, signal } = options;
  const keeper = createFirewallKeeper({ ...options, network: realNetwork });
  let filterVersion = 0;
  let wake = new AbortController();
  const posture = laptopPosture(
    clock,
    postureChecks.filter(({ platforms }) => platforms[process.platform]?.needsRoot === true),
    () => {
      filterVersion += 1;
      wake.abort();
    },
  );
  const publish = async (): Promise<void> => {
    try {
      const { findings } = await posture.measure();
      const said = Object.entries(findings).map(
        ([criterion, { value, reason }]) => [criterion, { value, reason: reason.slice(0, 200) }] as const,
      );
      const at = Math.floor(clock.now() / 1000);
      publishFindings(options.findingsFile, { at, findings: Object.fromEntries(said) });
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'findings not published');
    }
  };
  const watching = posture.watch(() => void publish(), signal);

  const { settings } = statePaths(options.stateDirectory);
  const glance = async (): Promise<string> => {
    const carried = files.trust()?.policyFile;
    return `${filterVersion} ${await glanceAt(createSystemFiles(), [carried ?? settings])}`;
  };
  const adoptFirst = (): void => {
    if (files.trust() !== undefined) return;
    try {
      const trust = readEnrollment(options.stateDirectory);
      files.adopt(trust);
      log.info({ device: trust.device, domain: trust.domain }, 'enrollment adopted');
    } catch (error) {
      if (!(error instanceof AgentError && error.key === 'not-enrolled'))
        log.warn({ reason: describeError(error) }, 'enrollment not adopted');
    }
  };
  let seen: string | undefined;
  let said: string | undefined;
  let sinceLook = startStopwatch(clock);
  const look = async (): Promise<void> => {
    sinceLook = startStopwatch(clock);
    adoptFirst();
    const state: FirewallState = await keeper.look();
    if (JSON.stringify(state) !== said) log.info(state, 'firewall');
    said = JSON.stringify(state);
    try {
      publishFirewall(options.firewallFile, state);
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'state not published');
    }
    await publish();
  };
  while (!signal.aborted) {
    wake = new AbortController();
    const now = await glance().catch(describeError);
    if (now !== seen || keeper.isWaiting() || sinceLook() >= lookIntervalSeconds) {
      const isFirst = seen === undefined;
      seen = now;
      await look();
      if (isFirst)
        await options.onFirstLook().catch((error: unknown) => {
          log.warn({ reason: describeError(error) }, 'service manager not told');
        });
    }
    // Whoever changes rules all the time does not keep us at it all the time.
    await clock.sleep(leastPauseMs, signal);
    await clock.sleep(glanceIntervalMs - leastPauseMs, AbortSignal.any([signal, wake.signal]));
  }
  await watching;
}
