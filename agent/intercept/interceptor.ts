import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { describeError } from '../agent-error.ts';
import type { AppHosts } from '../proxy/app-hosts.ts';
import { openAppTunnel, openDatagramTunnel } from '../proxy/connect-tunnel.ts';
import type { ProxyContext } from '../proxy/proxy-context.ts';
import { formatHostPort } from '../session/host-port.ts';
import type { HostPort } from '../session/host-port.ts';
import type { AgentStatus } from '../status.ts';
import type { AddressBook } from './address-book.ts';
import { datagramEndpoints, streamEndpoints } from './app-endpoints.ts';
import type { Endpoint } from './app-endpoints.ts';
import { createDatagramListeners } from './datagram-listeners.ts';
import type { NameFacts } from './dns-answer.ts';
import type { ClosedPlace, Place } from './listeners.ts';
import { listenProblemOf } from './listen-problem.ts';
import type { ListenProblem } from './listen-problem.ts';
import { isAboveOwn } from './publish-names.ts';
import type { NamesPublisher } from './publish-names.ts';
import { createConnectionRefuser, problemOf } from './refuse-connection.ts';
import { startResolver } from './resolver.ts';
import type { Resolver } from './resolver.ts';
import { createStreamListeners } from './stream-listeners.ts';

/** How it is. */
export type InterceptView = NonNullable<AgentStatus['intercept']>;

/** Makes the hosts of applications into addresses of this laptop at which they answer. */
export interface Interceptor {
  /** Opens what these applications need and closes what they do not; tries again what failed before. */
  sync(apps: AppHosts): Promise<void>;
  view(): InterceptView;
  close(): Promise<void>;
}

/**
 * A connection to one of the addresses is a tunnel to the application, byte for byte, as CONNECT is: TLS is between the
 * program and the gateway or the application, and port 80 of an HTTP application is plain as far as the agent. A refusal
 * is said as far as the program's protocol can say it; the status page has the reason.
 */
export function createInterceptor(options: {
  readonly context: ProxyContext;
  readonly book: AddressBook;
  readonly resolver: HostPort;
  /** Names that the agent itself has to find; what stands above one of them is not led here. */
  readonly ownNames: () => readonly string[];
  readonly names: NamesPublisher;
  readonly log: Logger;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
}): Interceptor {
  const { book, context, log } = options;
  let names: ReadonlyMap<string, NameFacts> = new Map();
  let addresses: ReadonlyMap<string, string> = new Map();
  let resolver: Resolver | undefined;
  let resolverProblem: ListenProblem | undefined;
  let apps: AppHosts | undefined;
  let isOver = false;

  const carry = async (socket: Socket, endpoint: Endpoint): Promise<void> => {
    const opened = await openAppTunnel(context, endpoint);
    if ('tunnel' in opened) return opened.tunnel(socket, Buffer.alloc(0));
    log.info({ host: endpoint.host, port: endpoint.port }, 'connection refused');
    const problem = { ...problemOf(opened, context.language), host: endpoint.host };
    // What the gateway said is noted already.
    if ('refusal' in opened) context.page.noteRefused(problem);
    refuser.refuse(socket, protocolAt(endpoint), problem);
  };
  const refuser = createConnectionRefuser(context);
  const protocolAt = ({ host, port }: Endpoint): string | undefined =>
    apps?.byHost.get(host)?.find(({ ports }) => ports.includes(port))?.protocol;
  const listeners = createStreamListeners((socket, endpoint) => {
    carry(socket, endpoint).catch((error: unknown) => {
      log.error({ reason: describeError(error) }, 'tunnel failed');
      socket.destroy();
    });
  }, context.limits.maxConnections);
  const datagrams = createDatagramListeners(
    async (endpoint) => {
      const opened = await openDatagramTunnel(context, endpoint);
      if ('tunnel' in opened) return opened.tunnel;
      log.info({ host: endpoint.host, port: endpoint.port }, 'datagrams refused');
      if ('refusal' in opened)
        context.page.noteRefused({ ...problemOf(opened, context.language), host: endpoint.host });
      return undefined;
    },
    context.limits.maxConnections,
    options.sleep,
  );
  const opened = (): Place[] => [...listeners.open(), ...datagrams.open()];
  const notOpened = (): ClosedPlace[] => [...listeners.closed(), ...datagrams.closed()];

  const find = (name: string): NameFacts => {
    const found = names.get(name);
    // Whoever held the port may be gone by now; the program's next question finds out.
    if (found === 'unavailable' && apps !== undefined) void sync(apps);
    return found;
  };
  const startResolving = async (): Promise<void> => {
    if (resolver !== undefined) return;
    try {
      const started = await startResolver(options.resolver, find);
      if (isOver) return started.close();
      resolver = started;
      resolverProblem = undefined;
    } catch (error) {
      resolverProblem = listenProblemOf(error);
    }
  };

  let syncing: Promise<void> | undefined;
  const sync = (wanted: AppHosts): Promise<void> => {
    apps = wanted;
    return (syncing ??= syncNow().finally(() => (syncing = undefined)));
  };
  const syncNow = async (): Promise<void> => {
    let done: AppHosts | undefined;
    do {
      done = apps;
      if (done !== undefined && !isOver) await open(done);
    } while (done !== apps);
  };
  const open = async ({ byHost }: AppHosts): Promise<void> => {
    addresses = book.assign(byHost.keys());
    const placesOf = (endpoints: readonly Endpoint[]): Place[] =>
      endpoints.map((one) => ({ ...one, address: addresses.get(one.host) ?? '' }));
    await Promise.all([
      startResolving(),
      listeners.sync(placesOf(streamEndpoints(byHost))),
      datagrams.sync(placesOf(datagramEndpoints(byHost))),
    ]);
    names = factsOf(addresses, opened(), notOpened());
    publish();
    tellProblems();
  };
  /** Where the resolver is not ours, whoever it is would be asked. */
  const publish = (): void => {
    const own = options.ownNames();
    const hosts = [...names]
      .filter(([host]) => resolver !== undefined && !isOver && !isAboveOwn(host, own))
      .map(([host, facts]) => ({ host, address: typeof facts === 'object' ? facts.address : null }));
    try {
      options.names.publish({ resolver: formatHostPort(resolver?.place ?? options.resolver), hosts });
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'names not written for the helper');
    }
  };
  let told = '';
  const tellProblems = (): void => {
    const { problems } = view();
    const now = JSON.stringify(problems);
    if (now !== told && problems.length > 0) log.warn({ problems }, 'not everything could be opened');
    told = now;
  };

  const view = (): InterceptView => {
    const place = formatHostPort(resolver?.place ?? options.resolver);
    const open = opened();
    return {
      resolver: place,
      hosts: [...addresses].map(([host, address]) => ({
        host,
        address,
        ports: open.filter((one) => one.host === host).map(({ port }) => port),
      })),
      problems: [
        ...(resolverProblem === undefined ? [] : [{ place, problem: resolverProblem }]),
        ...[...addresses.keys()]
          .filter((host) => isAboveOwn(host, options.ownNames()))
          .map((host) => ({ place: host, host, problem: 'above-own' as const })),
        ...notOpened().map(({ host, address, port, problem }) => ({
          place: formatHostPort({ host: address, port }),
          host,
          problem,
        })),
      ],
    };
  };

  return {
    sync,
    view,
    close: async () => {
      isOver = true;
      await syncing;
      publish();
      resolver?.close();
      listeners.close();
      datagrams.close();
    },
  };
}

/**
 * A name is answered only if something of ours is at its address, and nothing of others: where another program has one of
 * its ports, say for all addresses of this machine, the name would lead there, with whatever password comes next.
 */
function factsOf(
  addresses: ReadonlyMap<string, string>,
  open: readonly Endpoint[],
  closed: readonly (Endpoint & { readonly problem: ListenProblem })[],
): ReadonlyMap<string, NameFacts> {
  const ours = new Set(open.map(({ host }) => host));
  const theirs = new Set(closed.filter(({ problem }) => problem === 'taken').map(({ host }) => host));
  return new Map(
    [...addresses].map(([host, address]) => [
      host,
      ours.has(host) && !theirs.has(host) ? { address } : 'unavailable',
    ]),
  );
}
