import { portsOf } from './app-ports.ts';
import { dataKinds } from './data-kinds.ts';
import { findPatternProblem } from './pattern-problem.ts';
import type { Findings } from './resource-findings.ts';
import { scopeOfAddress } from './numeric-address.ts';
import type { App, AppProtocol, Network } from './resources.ts';
import { isHostName, parseUpstreamUrl } from './upstream-url.ts';
import type { UpstreamUrl } from './upstream-url.ts';

/** Which upstreams an app of each protocol may have. Its own TLS is the client's and the app's business. */
const schemes: Readonly<Record<AppProtocol, readonly UpstreamUrl['scheme'][]>> = {
  http: ['http', 'https'],
  tcp: ['tcp'],
  tls: ['tcp'],
  ssh: ['tcp'],
  rdp: ['tcp'],
  postgres: ['tcp'],
  udp: ['udp'],
};

/** Apps among the networks that would exist with them. */
export function checkApps(
  apps: readonly App[],
  networks: ReadonlyMap<string, Network>,
  reservedHosts: ReadonlySet<string>,
  findings: Findings,
): void {
  const { problem } = findings;
  for (const app of apps) {
    const network = networks.get(app.network);
    if (network === undefined) problem(app, 'network', `there is no network ${app.network}`);
    if (reservedHosts.has(app.host)) problem(app, 'host', `${app.host} is a name of the gateway itself`);
    if (!isHostName(app.host)) problem(app, 'host', `${app.host} could be read as an address`);
    checkPorts(app, findings);
    checkHealth(app, findings);
    checkUpstreams(app, network, findings);
    checkInspection(app, findings);
    checkExpectation(app, findings);
  }
  checkSharedHosts(apps, findings);
}

const settingsOfInspectors = [
  ['waf', 'waf'],
  ['malware', 'malware'],
  ['dataLoss', 'dlp'],
] as const;

function checkDataLoss(app: App, problem: Findings['problem']): void {
  const { thresholds = {}, patterns = [] } = app.dataLoss ?? {};
  if (patterns.length === 0 && dataKinds.every((kind) => thresholds[kind] === 0))
    problem(app, 'dataLoss', 'looks for nothing: take dlp out of `inspect` instead');
  const names = new Set<string>(dataKinds);
  for (const [index, { name, pattern }] of patterns.entries()) {
    if (names.has(name)) problem(app, `dataLoss.patterns[${index}].name`, `${name} is taken`);
    names.add(name);
    const trouble = findPatternProblem(pattern);
    if (trouble !== undefined) problem(app, `dataLoss.patterns[${index}].pattern`, trouble);
  }
}

function checkInspection(app: App, { problem, warning }: Findings): void {
  const { inspect = [], waf } = app;
  for (const name of inspect)
    if (app.protocol !== 'http')
      warning(
        app,
        'inspect',
        `${name} reads HTTP, and this is a ${app.protocol} app: flows to it are refused`,
      );
  for (const [key, inspector] of settingsOfInspectors)
    if (app[key] !== undefined && !inspect.includes(inspector))
      problem(app, key, `needs \`inspect: [${inspector}]\``);
  checkDataLoss(app, problem);
  if (waf === undefined) return;
  if (waf.whenTooLarge !== undefined && waf.mode !== 'block')
    problem(app, 'waf.whenTooLarge', 'needs `mode: block`: in mode detect everything passes');
  for (const [index, { rules, paths, arguments: names }] of (waf.exclude ?? []).entries()) {
    if (rules === undefined && paths === undefined && names === undefined)
      problem(app, `waf.exclude[${index}]`, 'leaves out everything: take waf out of `inspect` instead');
    for (const [at, rule] of (rules ?? []).entries()) {
      const [from = '', to = from] = String(rule).split('-');
      if (Number(from) > Number(to))
        problem(app, `waf.exclude[${index}].rules[${at}]`, `${rule} ends before it begins`);
    }
  }
}

function checkExpectation(app: App, { problem }: Findings): void {
  const { protocol, protocolCheck } = app;
  if (protocolCheck === undefined) return;
  const { expect, serverNames } = protocolCheck;
  if (protocol === 'http')
    return problem(
      app,
      'protocolCheck',
      'is for tunnels; what an http app gets is HTTP, as the gateway has read it',
    );
  if (protocol !== 'tcp' && protocol !== 'udp') {
    if (expect !== undefined)
      problem(app, 'protocolCheck.expect', `is already said by the protocol, which is ${protocol}`);
  } else if (expect === undefined)
    problem(app, 'protocolCheck', `needs \`expect\`: ${protocol} does not say what the app speaks`);
  else if ((expect === 'dns') !== (protocol === 'udp'))
    problem(app, 'protocolCheck.expect', `${expect} cannot be looked for in ${protocol}`);
  if (serverNames !== undefined && protocol !== 'tls' && expect !== 'tls')
    problem(app, 'protocolCheck.serverNames', 'are for TLS');
}

function checkPorts(app: App, { problem }: Findings): void {
  if (app.protocol !== 'http' && app.ports === undefined)
    problem(app, 'ports', `is missing: say which ports clients of a ${app.protocol} app connect to`);
  for (const [index, port] of (app.ports ?? []).entries())
    if (app.ports?.indexOf(port) !== index) problem(app, `ports[${index}]`, `${port} is listed twice`);
}

function checkHealth(app: App, { problem }: Findings): void {
  if (app.health === undefined) return;
  if (app.protocol !== 'http') problem(app, 'health', `asks by HTTP, and this is a ${app.protocol} app`);
  if (!/^[!-~]+$/.test(app.health.path) || app.health.path.includes('#'))
    problem(app, 'health.path', 'must be a path of plain ASCII, without blanks or #');
  const [, count, unit] = /^([0-9]+)(ms|s|m)$/.exec(app.health.every) ?? [];
  const seconds = Number(count) * (unit === 'ms' ? 0.001 : unit === 'm' ? 60 : 1);
  if (!(seconds >= 0.1 && seconds <= 3600)) problem(app, 'health.every', 'must lie between 100ms and 60m');
}

function checkUpstreams(app: App, network: Network | undefined, { problem }: Findings): void {
  const seen = new Set<string>();
  for (const [index, text] of app.upstreams.entries()) {
    const key = `upstreams[${index}]`;
    const upstream = parseUpstreamUrl(text);
    if ('problem' in upstream) {
      problem(app, key, `${JSON.stringify(text)} ${upstream.problem}`);
      continue;
    }
    const fitting = schemes[app.protocol];
    if (!fitting.includes(upstream.scheme))
      problem(
        app,
        key,
        `a ${app.protocol} app needs ${fitting.map((scheme) => `${scheme}://`).join(' or ')}`,
      );
    const place = JSON.stringify([upstream.host, upstream.port]);
    if (seen.has(place)) problem(app, key, `${text} is listed twice`);
    seen.add(place);
    const trouble = network === undefined ? undefined : findUnreachable(upstream, network);
    if (trouble !== undefined) problem(app, key, trouble);
  }
}

/** Why an upstream cannot lie in a network. */
function findUnreachable({ host, isNumeric }: UpstreamUrl, network: Network): string | undefined {
  const isOnThisMachine = 'direct' in network.attach || 'sourceAddress' in network.attach;
  const scope = scopeOfAddress(host);
  if (scope === 'unspecified' || scope === 'multicast') return `${host} is no address of a server`;
  if (scope === 'mapped') return `${host} is an IPv4 address in disguise: write it plainly`;
  // Clouds hand out credentials at such addresses to whoever asks from inside.
  if (scope === 'link-local')
    return `${host} is link-local: metadata services live there, applications do not`;
  const isLoopback = scope === 'loopback' || host === 'localhost' || host.endsWith('.localhost');
  if (isLoopback && !isOnThisMachine)
    return `${host} is the connector's own machine, not an address in network ${network.name}`;
  if (!isNumeric && !('direct' in network.attach) && (network.dns ?? []).length === 0)
    return `${host} is a name, and network ${network.name} has no dns to resolve it with`;
  return undefined;
}

/**
 * A request to an http app names no port that can be relied on (the gateway has its own), so its host is its alone.
 * Other apps may share a host if every port leads to one of them.
 */
function checkSharedHosts(apps: readonly App[], { problem }: Findings): void {
  const byHost = new Map<string, App[]>();
  for (const app of apps) {
    const earlier = byHost.get(app.host) ?? [];
    const rival = earlier.find(
      (other) =>
        other.protocol === 'http' ||
        app.protocol === 'http' ||
        portsOf(other).some((port) => portsOf(app).includes(port)),
    );
    if (rival !== undefined) problem(app, 'host', `${app.host} is taken by app ${rival.name}`);
    byHost.set(app.host, [...earlier, app]);
  }
}
