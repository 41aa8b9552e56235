import { probePath } from '../../contract/app-probe.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { AppName } from '../../domain/ids.ts';
import type { App } from '../../domain/resources.ts';
import { parseAuthority } from '../fields/authority.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import type { RequestHead } from '../fields/request-head.ts';

const wellKnown = '/.well-known/postern/';

/**
 * Which application is asked for: by TLS server name and authority, which must agree, and by nothing else that a client
 * writes. A session to the gateway's own name, as an agent has it, names the application in each request.
 */
export function chooseApplication(flow: Flow, gateway: Gateway): Refusal | undefined {
  const { exchange, head } = flow;
  if (head === undefined) return refuse('internal-error', 'request was not read');
  if (exchange.method === 'CONNECT') return chooseForTunnel(flow, head, gateway);
  const misplaced = checkPlace(flow, head, gateway);
  if (misplaced !== undefined) return misplaced;
  if (head.path === `${wellKnown}jwks.json`) return chooseLocal(flow, 'jwks');
  if (head.host === gateway.name) {
    if (exchange.upgrade === 'connect-udp') return chooseForCapsules('datagrams', flow, head, gateway);
    if (exchange.upgrade === 'connect-tcp') return chooseForCapsules('bytes', flow, head, gateway);
    if (head.path === `${wellKnown}status`) return chooseLocal(flow, 'status');
    if (head.path.startsWith(probePath))
      return chooseForProbe(flow, head.path.slice(probePath.length), gateway);
    return refuse('application-unknown', 'the gateway itself has no pages');
  }
  if (flow.handedOver !== undefined) return chooseLocal(flow, 'signed-in');
  const app = exchange.tunnel?.app ?? findHttpApp(head, gateway);
  if (app === undefined) return unknownApp(head, gateway);
  flow.app = app;
  return app.protocol === 'http' ? undefined : refuse('protocol-mismatch', `${app.name} is ${app.protocol}`);
}

/** Server name, tunnel and authority must all say the same. */
function checkPlace(flow: Flow, head: RequestHead, gateway: Gateway): Refusal | undefined {
  const { connection, tunnel } = flow.exchange;
  if (tunnel !== undefined) {
    const agrees = head.host === tunnel.app.host && (head.port ?? tunnel.port) === tunnel.port;
    return agrees ? undefined : refuse('authority-mismatch', 'authority is not the tunnel’s');
  }
  if (connection.appHost !== undefined) {
    return head.host === connection.appHost
      ? undefined
      : refuse('authority-mismatch', 'authority is not the server name');
  }
  // A client that asked TLS for the gateway must say that it knows this to be a proxy.
  return head.isAbsolute || head.host === gateway.name
    ? undefined
    : refuse('authority-mismatch', 'authority is not the server name');
}

function findHttpApp({ host, port, scheme }: RequestHead, gateway: Gateway): App | undefined {
  const { apps } = gateway;
  if (port !== undefined && port !== gateway.listenPort()) return apps.find(host, port);
  return (
    (port === undefined ? undefined : apps.find(host, port)) ??
    apps.find(host, scheme === 'http' ? 80 : 443) ??
    apps.find(host)
  );
}

/** CONNECT names host and port exactly: there is no default (RFC 9110, section 9.3.6). */
function chooseForTunnel(flow: Flow, head: RequestHead, gateway: Gateway): Refusal | undefined {
  if (flow.exchange.tunnel !== undefined) return refuse('method-not-allowed', 'CONNECT inside a tunnel');
  const { appHost } = flow.exchange.connection;
  if (head.port === undefined) return refuse('bad-request', 'CONNECT without a port');
  if (appHost !== undefined && appHost !== head.host)
    return refuse('authority-mismatch', 'CONNECT to another host than the server name');
  const app = gateway.apps.find(head.host, head.port);
  if (app === undefined) return unknownApp(head, gateway);
  flow.app = app;
  flow.port = head.port;
  return app.protocol === 'udp' ? refuse('protocol-mismatch', `${app.name} is udp`) : undefined;
}

/**
 * `/.well-known/masque/udp/{target_host}/{target_port}/`, the template that clients take where they were given none (RFC
 * 9298, section 3), and its sister for TCP.
 */
const capsuleTarget = /^\/\.well-known\/masque\/(udp|tcp)\/([A-Za-z0-9._-]{1,253})\/([1-9][0-9]{0,4})\/$/;
const transports = { datagrams: 'udp', bytes: 'tcp' } as const;

/** Such a tunnel names host and port in its path; everything after this sees them as of a CONNECT. */
function chooseForCapsules(
  what: 'datagrams' | 'bytes',
  flow: Flow,
  head: RequestHead,
  gateway: Gateway,
): Refusal | undefined {
  flow.capsules = what;
  const transport = transports[what];
  const [, named, written, port] = capsuleTarget.exec(head.target) ?? [];
  const target = parseAuthority(`${written}:${port}`);
  if (named !== transport || target === undefined || target.port === undefined)
    return refuse('bad-request', `target of connect-${transport}`);
  const asked = { ...head, authority: `${target.host}:${target.port}`, host: target.host, port: target.port };
  flow.head = { ...asked, target: '', path: '' };
  const app = gateway.apps.find(target.host, target.port);
  if (app === undefined) return unknownApp(asked, gateway);
  flow.app = app;
  flow.port = target.port;
  const isFit = (app.protocol === 'udp') === (what === 'datagrams');
  return isFit ? undefined : refuse('protocol-mismatch', `${app.name} is ${app.protocol}`);
}

function unknownApp(head: RequestHead, { apps }: Gateway): Refusal {
  return apps.hasHost(head.host)
    ? refuse('port-unknown', `${head.host} port ${head.port ?? 'not given'}`)
    : refuse('application-unknown', head.host);
}

/** Named as its resource is: whoever asks has it from their configuration, and learns no more than a request would tell. */
function chooseForProbe(flow: Flow, name: string, gateway: Gateway): Refusal | undefined {
  const { device } = flow.exchange.connection.certificate;
  const limited = gateway.probes.admit(device, gateway.now());
  if (limited !== undefined) return limited;
  const app = gateway.state().apps.get(name as AppName);
  if (app === undefined) return refuse('application-unknown', name.slice(0, 64));
  flow.app = app;
  return chooseLocal(flow, 'probe');
}

function chooseLocal(flow: Flow, what: NonNullable<Flow['local']>): Refusal | undefined {
  const { method } = flow.exchange;
  if (method !== 'GET' && method !== 'HEAD') return refuse('method-not-allowed', method);
  flow.local = what;
  return undefined;
}
