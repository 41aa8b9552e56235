import { AgentError, describeError } from './agent-error.ts';
import type { AgentOptions } from './agent.ts';
import { createAddressBook } from './intercept/address-book.ts';
import { createInterceptor } from './intercept/interceptor.ts';
import { createNamesPublisher } from './intercept/publish-names.ts';
import type { Interceptor } from './intercept/interceptor.ts';
import { measureStatus } from './measure-status.ts';
import { createFormReader } from './page/actions.ts';
import type { Actions } from './page/actions.ts';
import { createRecentRefusals } from './page/recent-refusals.ts';
import type { PortalWatch } from './portal/portal-watch.ts';
import { createBulkTargets } from './proxy/bulk-targets.ts';
import { startLocalProxy } from './proxy/local-proxy.ts';
import type { LocalProxy } from './proxy/local-proxy.ts';
import { defaultProxyLimits } from './proxy/proxy-context.ts';
import type { ProxyContext } from './proxy/proxy-context.ts';
import type { Carrier } from './session/carrier.ts';
import { gatewaysOf } from './session/gateways.ts';
import { parseHostPort } from './session/host-port.ts';
import { loadAddresses, saveAddresses } from './state/address-file.ts';
import { loadSignIn } from './state/kept-sign-in.ts';
import { defaultResolver } from './state/settings-file.ts';
import type { AgentSettings } from './state/settings-file.ts';
import type { StatePaths } from './state/state-directory.ts';
import type { AgentStatus } from './status.ts';
import { walk } from './why/walk.ts';

/** What listens on this laptop for its programs. */
export interface LocalServices {
  /** Of the local proxy. */
  readonly port: number;
  status(): Promise<AgentStatus>;
  close(): Promise<void>;
}

/**
 * Starts the local proxy and, where the settings say so, interception. What interception cannot open is said in the
 * status and no reason not to start.
 * @throws AgentError when the proxy's port is taken.
 */
export async function startLocalServices(
  options: AgentOptions,
  settings: AgentSettings,
  paths: StatePaths,
  carrier: Carrier,
  portal: PortalWatch,
  actions: Actions,
): Promise<LocalServices> {
  const { clock, log, posture } = options;
  const isIntercepting = settings.intercept === 'loopback';
  const book = createAddressBook(isIntercepting ? loadAddresses(paths.addresses, log) : {}, (addresses) => {
    try {
      saveAddresses(paths.addresses, addresses);
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'state directory cannot be written');
    }
  });
  let proxyPort = options.proxyPort ?? settings.proxyPort;
  let interceptor: Interceptor | undefined;
  let measuring: Promise<AgentStatus> | undefined;
  // Many who ask at once get one probe between them.
  const status = (): Promise<AgentStatus> =>
    (measuring ??= measureStatus({
      settings,
      carrier,
      portal,
      posture,
      clock,
      proxyPort,
      signedIn: () => loadSignIn(paths.signIn),
      intercept: () => interceptor?.view(),
    }).finally(() => {
      measuring = undefined;
    }));
  const refusals = createRecentRefusals(() => clock.now());
  const context: ProxyContext = {
    carrier: {
      ...carrier,
      noteRefusal: (problem) => {
        refusals.note(problem);
        carrier.noteRefusal(problem);
      },
    },
    hostAt: (address) => book.hostAt(address),
    bulk: createBulkTargets(clock),
    status,
    page: {
      form: createFormReader(),
      actions,
      refusals: () => refusals.list(),
      noteRefused: (problem) => refusals.note(problem),
    },
    why: (asked, language) => walk({ carrier, status }, asked, language),
    language: options.language,
    log,
    recentLog: options.recentLog ?? (() => []),
    limits: { ...defaultProxyLimits, ...options.limits },
  };
  let proxy: LocalProxy;
  try {
    proxy = await startLocalProxy(context, proxyPort);
    proxyPort = proxy.port;
  } catch (error) {
    throw new AgentError(1, 'port-taken', { port: proxyPort, reason: describeError(error) }, error);
  }
  if (isIntercepting) {
    const [host = '', port] = (settings.resolver ?? defaultResolver).split(':');
    const resolver = { host, port: Number(port) };
    const started = createInterceptor({
      context,
      book,
      resolver,
      names: createNamesPublisher(paths.names),
      ownNames: () => ownNames(settings, carrier),
      log,
      sleep: (ms) => clock.sleep(ms),
    });
    interceptor = started;
    carrier.config.follow((apps) => void started.sync(apps));
  }
  return {
    port: proxyPort,
    status,
    close: async () => {
      await Promise.all([interceptor?.close(), proxy.close()]);
    },
  };
}

/** Of the control plane and the gateways of all zones, as they are looked up. */
function ownNames({ control }: AgentSettings, carrier: Carrier): readonly string[] {
  const config = carrier.config.current();
  const gateways = config === undefined ? [] : gatewaysOf(config);
  const names = gateways.flatMap(({ name, addresses }) => [
    name,
    ...addresses.map((address) => parseHostPort(address)?.host ?? ''),
  ]);
  return [new URL(control).hostname, ...names];
}
