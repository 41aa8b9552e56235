import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { AgentError } from './agent-error.ts';
import type { Clock } from './clock.ts';
import { createDeviceApi } from './control/device-api.ts';
import type { Language } from './language.ts';
import { startLocalServices } from './local-services.ts';
import { buildPortalProbe, findPortal } from './portal/find-portal.ts';
import type { Portal } from './portal/find-portal.ts';
import { createPortalWatch } from './portal/portal-watch.ts';
import type { PostureProvider } from './posture/posture-provider.ts';
import type { ProxyLimits } from './proxy/proxy-context.ts';
import { crashLimits, fullJitter } from './session/backoff.ts';
import type { Random } from './session/backoff.ts';
import { createCarrier } from './session/carrier.ts';
import type { CarrierTimings } from './session/carrier.ts';
import type { CarrierView } from './session/carrier-view.ts';
import type { LocalAddresses } from './session/network-watch.ts';
import type { Resolve } from './session/resolve-host.ts';
import { writeFilesAtomically } from './state/atomic-file.ts';
import { signInUser } from './sign-in/sign-in.ts';
import type { SignInPrompt } from './sign-in/sign-in.ts';
import { signOutUser } from './sign-in/sign-out.ts';
import { createSignInKeeper } from './sign-in/sign-in-keeper.ts';
import { loadCredentials } from './state/credentials.ts';
import { loadSignIn, saveSignIn } from './state/kept-sign-in.ts';
import { takeLock } from './state/lock.ts';
import { passFirewall } from './firewall/pass-firewall.ts';
import { loadSessionCache, saveSessionCache } from './state/session-cache.ts';
import { loadSettings } from './state/settings-file.ts';
import type { AgentSettings } from './state/settings-file.ts';
import { checkStateDirectory } from './state/state-directory.ts';
import type { AgentStatus } from './status.ts';

export interface AgentOptions {
  readonly directory: string;
  /** Overrides the one of `agent.yaml`; 0 takes a free one. */
  readonly proxyPort?: number;
  readonly posture: PostureProvider;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The last lines of it, for `doctor`. */
  readonly recentLog?: () => readonly string[];
  readonly language: Language;
  /** How the user is asked to sign in where that is needed; without it nobody is. */
  readonly signInPrompt?: SignInPrompt;
  readonly timings?: Partial<CarrierTimings>;
  readonly limits?: Partial<ProxyLimits>;
  /** The laptop's addresses, and those of a name; of the system where not given. */
  readonly addresses?: LocalAddresses;
  readonly resolve?: Resolve;
  /** Called when the user was asked to sign in and did not. */
  onSignInFailure?(reason: string): void;
  /** Called when the network turns out to want a sign-in of its own first. */
  onPortal?(portal: Portal): void;
  /** Called at each change of state, from the first connection on. */
  onState?(view: CarrierView): void;
}

export interface RunningAgent {
  readonly settings: AgentSettings;
  readonly port: number;
  view(): CarrierView;
  status(): Promise<AgentStatus>;
  /** Looks again who is signed in: `postern-agent login` or `logout` changed it. */
  reload(): void;
  /** Ends all flows and the proxy, and gives the state directory free. */
  stop(): Promise<void>;
}

/**
 * Starts the agent of a state directory: local proxy first, so that programs and `status` find it, then the way to the
 * gateway, for as long as it runs.
 * @throws AgentError when it is not enrolled, runs already, or the port is taken.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const paths = checkStateDirectory(options.directory);
  const settings = loadSettings(paths.settings);
  if (settings === undefined) throw new AgentError(2, 'not-enrolled', { directory: options.directory });
  const credentials = loadCredentials(paths);
  // A posture that is stated in a file and cannot be read is better said now than at the first refresh.
  await options.posture.measure();
  const lock = takeLock(paths.lock);
  if ('heldBy' in lock) throw new AgentError(1, 'agent-runs', { pid: lock.heldBy.pid });
  try {
    // Whoever held the lock until now may have left: what was read before is of no device any more.
    if (!existsSync(paths.key)) throw new AgentError(2, 'not-enrolled', { directory: options.directory });
    const api = createDeviceApi(settings.control);
    const stopping = new AbortController();
    let kept = loadSignIn(paths.signIn);
    const reload = (): void => {
      kept = loadSignIn(paths.signIn);
      if (kept === undefined) {
        keeper.hold();
        carrier.signedOut();
      } else {
        keeper.signedIn();
        carrier.signedIn();
      }
    };
    const keeper = createSignInKeeper({
      ...options,
      prompt: options.signInPrompt,
      signIn: (prompt, wish) =>
        signInUser({
          api,
          prompt,
          wish,
          // As it is now: it may have been renewed.
          credentials: carrier.credentials(),
          method: settings.signIn ?? 'browser',
          clock: options.clock,
          language: options.language,
          signal: stopping.signal,
        }),
      keep: (made) => {
        saveSignIn(paths.signIn, made);
        reload();
      },
      onFailure: (reason) => {
        if (!stopping.signal.aborted) options.onSignInFailure?.(reason);
      },
    });
    const carrier = createCarrier({
      ...options,
      api,
      signIn: () => loadSignIn(paths.signIn)?.signIn,
      signInEndsAt: () => kept?.expiresAt,
      onSignInNeeded: (wish) => keeper.needed(wish),
      device: settings.device,
      domain: settings.domain,
      credentials,
      cached: await loadSessionCache(paths.cache, credentials.keyPem),
      save: (cache) => {
        saveSessionCache(paths.cache, cache, credentials.keyPem);
        passFirewall(paths.firewall, cache.config.firewall);
      },
      saveCertificate: ({ chainPem }) =>
        writeFilesAtomically([{ path: paths.certificate, content: chainPem }]),
      onState: (view) => {
        portal.follow(view.state);
        options.onState?.(view);
      },
    });
    const portal = createPortalWatch({
      ...options,
      signal: stopping.signal,
      find: (signal) => findPortal(buildPortalProbe(settings, credentials.authorityPem), signal),
      onPortal: (found) => options.onPortal?.(found),
      onGone: () => carrier.reconnect(),
    });
    const local = await startLocalServices(options, settings, paths, carrier, portal, {
      reconnect: () => carrier.reconnect(),
      // Each look at the page measures anew.
      measure: () => undefined,
      'sign-in': () => keeper.wanted(),
      'sign-out': () =>
        signOutUser({
          paths,
          api,
          credentials: carrier.credentials(),
          log: options.log,
          onForgotten: reload,
        }),
    });
    lock.publishPort(local.port);
    const pauseMs = lock.wasLeft ? fullJitter(0, crashLimits, options.random) : 0;
    const running = options.clock.sleep(pauseMs, stopping.signal).then(() => carrier.run(stopping.signal));
    let stopped: Promise<void> | undefined;
    return {
      settings,
      port: local.port,
      view: () => carrier.view(),
      status: () => local.status(),
      reload,
      stop: () =>
        (stopped ??= (async () => {
          stopping.abort();
          await Promise.all([running, local.close()]);
          lock.release();
        })()),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
