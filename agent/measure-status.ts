import type { PostureChecks } from '../src/contract/posture.ts';
import { describeError } from './agent-error.ts';
import type { Clock } from './clock.ts';
import { isTpmKey } from './keys/tpm-key.ts';
import type { InterceptView } from './intercept/interceptor.ts';
import type { Portal } from './portal/find-portal.ts';
import type { PortalWatch } from './portal/portal-watch.ts';
import { readPublishedFirewall } from './firewall/published-firewall.ts';
import { createSystemFiles } from './posture/system-files.ts';
import type { MeasuredPosture, PostureProvider } from './posture/posture-provider.ts';
import type { Carrier } from './session/carrier.ts';
import type { CarrierView, GatewayView } from './session/carrier-view.ts';
import { stateOfRefusal } from './session/failure.ts';
import { gatewaysOf } from './session/gateways.ts';
import { checkLeg } from './session/check-path.ts';
import type { KeptSignIn } from './state/kept-sign-in.ts';
import type { AgentSettings } from './state/settings-file.ts';
import type { AgentStatus, Leg } from './status.ts';

const toSeconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/** The word for it all: what the two probes found just now outranks what the agent believed before. */
function judge(
  view: CarrierView,
  control: Leg,
  gateway: Leg,
  portal: Portal | undefined,
): { state: string; reason?: string } {
  if (gateway.ok) return { state: 'connected' };
  if (portal !== undefined) return { state: 'captive-portal', reason: portal.url };
  for (const { code = '' } of [control, gateway]) {
    const state = stateOfRefusal({ code });
    if (state !== 'refused') return { state };
  }
  const reason = gateway.reason ?? view.reason;
  const why = reason === undefined ? {} : { reason };
  if (view.state !== 'connected') return { state: view.state, ...why };
  return { state: gateway.code === undefined ? 'gateway-unreachable' : 'refused', ...why };
}

/**
 * The status from a probe through the real path: the control plane answers about this device, and the gateway says on
 * the session itself that it would carry flows. An open socket counts for nothing.
 */
export async function measureStatus(parts: {
  readonly settings: AgentSettings;
  readonly carrier: Carrier;
  readonly portal: Pick<PortalWatch, 'look'>;
  readonly posture: PostureProvider;
  readonly clock: Clock;
  readonly proxyPort: number;
  readonly signedIn: () => KeptSignIn | undefined;
  readonly intercept: () => InterceptView | undefined;
}): Promise<AgentStatus> {
  const { carrier, clock, settings } = parts;
  const [control, gateway, posture, firewall] = await Promise.all([
    checkLeg(clock, async () => {
      await carrier.config.refresh();
      return undefined;
    }),
    checkLeg(clock, async () => {
      const session = await carrier.session(0);
      if (session === undefined) throw new Error(carrier.view().reason ?? 'no session');
      const answer = await session.probe();
      return answer.ok ? undefined : answer.problem;
    }),
    parts.posture.measure({ fresh: true }).catch((error: unknown) => describeError(error)),
    readPublishedFirewall(createSystemFiles()).catch(() => undefined),
  ]);
  // Nobody who could say no was reached: it may be the network that answers for others.
  const isSilent = !gateway.ok && gateway.code === undefined && control.code === undefined && !control.ok;
  const portal = isSilent ? await parts.portal.look() : undefined;
  const view = carrier.view();
  const config = carrier.config.current();
  const kept = parts.signedIn();
  const intercept = parts.intercept();
  return {
    ...judge(view, control, gateway, portal),
    ...(portal === undefined ? {} : { portal }),
    device: settings.device,
    user: settings.user,
    ...(kept === undefined || kept.expiresAt <= toSeconds(clock.now())
      ? {}
      : { signedIn: { user: kept.user, until: kept.expiresAt } }),
    domain: settings.domain,
    proxy: `127.0.0.1:${parts.proxyPort}`,
    probe: { control, gateway },
    ...(view.gateway === undefined ? {} : { gateway: describeGateway(view.gateway) }),
    ...(view.standby === undefined ? {} : { standby: describeGateway(view.standby) }),
    gatewaysNamed: config === undefined ? 0 : gatewaysOf(config).length,
    ...(view.tokenExpiresAt === undefined ? {} : { tokenExpiresAt: view.tokenExpiresAt }),
    certificateExpiresAt: view.certificateExpiresAt,
    key: isTpmKey(carrier.credentials().keyPem) ? 'tpm' : 'file',
    ...(typeof posture === 'string' ? {} : { posture: describePosture(posture) }),
    ...(firewall === undefined ? {} : { firewall }),
    apps: config?.apps ?? [],
    ...(intercept === undefined ? {} : { intercept }),
    ...(view.lastRefusal === undefined ? {} : { lastRefusal: describeRefusal(view.lastRefusal) }),
  };
}

const describeGateway = (gateway: GatewayView): NonNullable<AgentStatus['gateway']> => ({
  ...gateway,
  since: toSeconds(gateway.since),
});

const describePosture = (posture: MeasuredPosture): NonNullable<AgentStatus['posture']> => ({
  checks: Object.fromEntries(
    Object.entries(posture.findings).map(([criterion, { value }]) => [criterion, value]),
  ) as PostureChecks,
  reasons: Object.fromEntries(
    Object.entries(posture.findings).map(([criterion, { reason }]) => [criterion, reason]),
  ),
});

function describeRefusal(
  refused: NonNullable<CarrierView['lastRefusal']>,
): NonNullable<AgentStatus['lastRefusal']> {
  const { code, title, help, flowId, at } = refused;
  return {
    code,
    title,
    ...(help === undefined ? {} : { help }),
    ...(flowId === undefined ? {} : { flowId }),
    at: toSeconds(at),
  };
}
