import { lookup } from 'node:dns/promises';
import type { AppProbe } from '../../src/contract/app-probe.ts';
import { postureCriteria } from '../../src/contract/posture.ts';
import type { PostureCriterion } from '../../src/contract/posture.ts';
import { refusals } from '../../src/contract/refusals.ts';
import type { RefusalCode, RefusalText } from '../../src/contract/refusals.ts';
import type { PeerProblem } from '../control/problem.ts';
import { gatewayText, standbyText } from '../gateway-text.ts';
import { timeText } from '../local-time.ts';
import type { Language } from '../language.ts';
import { stateMessage } from '../messages.ts';
import type { AppEntry } from '../proxy/app-hosts.ts';
import type { Carrier } from '../session/carrier.ts';
import type { AgentStatus } from '../status.ts';
import { findAsked } from './find-asked.ts';
import { probeApp } from './probe-app.ts';
import type { ProbedApp } from './probe-app.ts';
import { whySteps } from './report.ts';
import type { WalkedStep, WhyReport, WhyStep } from './report.ts';
import { stepOfCode } from './step-of-code.ts';
import { criterionNames, postureHelp, whyText } from './words.ts';

export interface WhyParts {
  readonly carrier: Pick<Carrier, 'config' | 'session'>;
  /** Measured anew. */
  readonly status: () => Promise<AgentStatus>;
  /** Asks the resolver of this laptop, as a program would. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

type Found = Omit<WalkedStep, 'step'>;
type Failure = { readonly step: WhyStep } & Omit<WalkedStep, 'step' | 'outcome'>;

/**
 * Walks the way to an application and stops at the first step that fails. What the laptop can know, it looks at; what
 * lies behind the gateway, the gateway tries: it decides as for a request, and its connector opens a connection.
 */
export async function walk(parts: WhyParts, asked: string, language: Language): Promise<WhyReport> {
  const { carrier } = parts;
  const status = await parts.status();
  const config = carrier.config.current();
  const app = config === undefined ? undefined : findAsked(config.apps, asked);
  const text = whyText.bind(undefined, language);
  if (config !== undefined && app === undefined) {
    return report(asked, undefined, new Map(), {
      step: 'name',
      text: text('not-an-application', { asked }),
      code: 'application-unknown',
      help: text('not-an-application-help'),
    });
  }
  const found = new Map<WhyStep, Found>();
  if (app === undefined) found.set('name', { outcome: 'unknown', text: text('name-not-known-yet') });
  else found.set('name', await describeName(parts, app, status, language));
  const broken = findBroken(status, language);
  if (broken !== undefined) return report(asked, app, describeUpTo(broken.step), broken);
  for (const [step, one] of describeUpTo('posture')) found.set(step, one);
  const session = app === undefined ? undefined : await carrier.session(0);
  const probed: ProbedApp =
    app === undefined || session === undefined ? { found: 'no-answer' } : await probeApp(session, app.name);
  if (probed.found === 'no-answer') {
    found.delete('posture');
    const gone = { step: 'tunnel', code: 'gateway-unreachable' } as const;
    return report(asked, app, found, { ...gone, text: text('no-answer'), help: text('no-answer-help') });
  }
  const name = app?.name ?? asked;
  found.set('posture', describePosture(status, name, language));
  if (probed.found === 'refused') {
    const failure = describeRefusal(probed.problem, name, language);
    for (const step of ['policy', 'connector'] as const) found.set(step, describePassed(step));
    return report(asked, app, found, failure);
  }
  found.set('policy', describePassed('policy'));
  const { answer } = probed;
  found.set('connector', describeConnector(answer, language));
  const upstream = describeCut(answer, language) ?? describeUpstream(answer, language);
  if ('step' in upstream) return report(asked, app, found, upstream);
  found.set('upstream', upstream);
  return report(asked, app, found, undefined);

  function describePassed(step: 'policy' | 'connector'): Found {
    const user = status.signedIn?.user ?? status.user;
    if (step === 'policy') return { outcome: 'ok', text: text('policy-allows', { user }) };
    return { outcome: 'ok', text: text('connector-good') };
  }
  function describeTunnel(): Found {
    const { gateway, probe } = status;
    // A laptop that is not let in has no session, and so nobody was asked.
    if (gateway === undefined || !(probe.gateway.ok || probe.gateway.code !== undefined))
      return { outcome: 'unknown', text: text('tunnel-not-tried') };
    const standby = standbyText(status, language);
    return {
      outcome: 'ok',
      text: text(standby === undefined ? 'tunnel-up' : 'tunnel-up-and-standby', {
        gateway: gatewayText(gateway, language),
        ms: Math.round(probe.gateway.ms ?? 0),
        standby: standby ?? '',
      }),
    };
  }
  function describeUpTo(step: WhyStep): Map<WhyStep, Found> {
    const all: [WhyStep, Found][] = [
      ['name', found.get('name') ?? { outcome: 'unknown' }],
      ['captive-portal', { outcome: 'ok', text: text('no-portal') }],
      ['tunnel', describeTunnel()],
      [
        'certificate',
        { outcome: 'ok', text: text('certificate-good', { time: timeText(status.certificateExpiresAt) }) },
      ],
      [
        'token',
        {
          outcome: 'ok',
          text: text('token-good', {
            user: status.signedIn?.user ?? status.user,
            time: timeText(status.tokenExpiresAt ?? 0),
          }),
        },
      ],
    ];
    const until = whySteps.indexOf(step);
    return new Map(all.filter(([one]) => whySteps.indexOf(one) < until));
  }
}

/** Steps before the failure were passed, those after it cannot be told. */
function report(
  asked: string,
  app: AppEntry | undefined,
  found: ReadonlyMap<WhyStep, Found>,
  failure: Failure | undefined,
): WhyReport {
  const at = failure === undefined ? whySteps.length : whySteps.indexOf(failure.step);
  const steps = whySteps.map((step, index): WalkedStep => {
    if (failure !== undefined && index === at) return { ...failure, outcome: 'failed' };
    const known = index < at ? found.get(step) : undefined;
    return { step, ...(known ?? { outcome: 'unknown' }) };
  });
  return {
    asked,
    ...(app === undefined ? {} : { app: app.name, host: app.host }),
    ok: failure === undefined,
    ...(failure === undefined ? {} : { failed: failure.step }),
    steps,
  };
}

/** Where programs find the application. A name that leads elsewhere does not stop those that use the proxy. */
async function describeName(
  { resolve = resolveHere }: WhyParts,
  { host }: AppEntry,
  { intercept, proxy }: AgentStatus,
  language: Language,
): Promise<Found> {
  const own = intercept?.hosts.find((one) => one.host === host.toLowerCase());
  if (intercept === undefined || own === undefined)
    return { outcome: 'ok', text: whyText(language, 'name-by-proxy', { host, proxy }) };
  const { address } = own;
  const addresses = await resolve(host).catch(() => []);
  if (addresses.length === 1 && addresses[0] === address) {
    const ports = own.ports.join(', ');
    return { outcome: 'ok', text: whyText(language, 'name-by-address', { host, address, ports }) };
  }
  const none = whyText(language, 'name-not-resolved');
  const found = addresses.length === 0 ? none : addresses.join(', ');
  const { resolver } = intercept;
  return {
    outcome: 'ok',
    text: whyText(language, 'name-elsewhere', { host, address, found }),
    help: whyText(language, 'name-elsewhere-help', { resolver, proxy }),
  };
}

const resolveHere = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true, family: 4 })).map(({ address }) => address);

/** What keeps the session itself from carrying anything. */
function findBroken(status: AgentStatus, language: Language): Failure | undefined {
  const { probe, state } = status;
  if (probe.gateway.ok) return undefined;
  if (status.portal !== undefined) {
    const { url } = status.portal;
    const [text, help] = [whyText(language, 'portal-here'), whyText(language, 'portal-here-help', { url })];
    return { step: 'captive-portal', code: state, text, help };
  }
  const code = probe.gateway.code ?? probe.control.code ?? status.lastRefusal?.code;
  if (stateSteps[state] !== undefined || (state === 'refused' && code !== undefined)) {
    const { lastRefusal } = status;
    const flowId = lastRefusal?.code === code ? lastRefusal?.flowId : undefined;
    const problem = {
      status: 0,
      title: status.reason ?? state,
      code: code ?? state,
      ...(flowId === undefined ? {} : { flowId }),
    };
    const step = stateSteps[state] ?? stepOfCode(problem.code);
    return { ...describeRefusal(problem, '', language), step };
  }
  const reason = probe.gateway.reason ?? status.reason;
  const isForeign = state === 'control-foreign' || reason?.includes('certificate') === true;
  const down = probe.control.ok ? 'gateway-down-help' : 'network-down-help';
  return {
    step: 'tunnel',
    code: state,
    text: [stateMessage(language, state), reason].filter(Boolean).join(': '),
    help: whyText(language, isForeign ? 'someone-else-help' : down),
  };
}

const stateSteps: Readonly<Partial<Record<string, WhyStep>>> = {
  revoked: 'certificate',
  lost: 'certificate',
  'certificate-expired': 'certificate',
  'key-unusable': 'certificate',
  'sign-in-required': 'token',
};

/** A refusal in the language of whoever asks; one of a later version in the words that it came with. */
function describeRefusal(problem: PeerProblem, app: string, language: Language): Failure {
  const { code, detail, flowId } = problem;
  const known: RefusalText | undefined = Object.hasOwn(refusals, code)
    ? refusals[code as RefusalCode]
    : undefined;
  const atFault = criteriaIn(detail);
  const more = { code, ...(flowId === undefined ? {} : { flowId }) };
  if (atFault.length > 0) {
    const text = whyText(language, 'posture-at-fault', { app, criteria: namesOf(atFault, language) });
    const help = atFault.map((criterion) => postureHelp[criterion][language]).join(' ');
    return { step: 'posture', text, help, ...more };
  }
  const help = known?.help[language] ?? problem.help;
  return {
    step: stepOfCode(code),
    text: known?.title[language] ?? problem.title,
    ...(help === undefined ? {} : { help }),
    ...more,
  };
}

function describeConnector({ connected, datagrams }: AppProbe, language: Language): Found {
  if (connected) return { outcome: 'ok', text: whyText(language, 'connector-good') };
  // A gateway of an earlier version does not try UDP.
  if (datagrams === undefined) return { outcome: 'unknown', text: whyText(language, 'connector-not-asked') };
  return { outcome: 'ok', text: whyText(language, 'connector-has-socket') };
}

/** A program in a tunnel that is cut hears of an error, and of nothing else. */
function describeCut(
  { cut }: AppProbe,
  language: Language,
): (Failure & { readonly outcome: 'failed' }) | undefined {
  if (cut === undefined) return undefined;
  const code = 'protocol-unexpected';
  const text = whyText(language, 'tunnel-cut', { seconds: cut.secondsAgo });
  return {
    step: 'upstream',
    outcome: 'failed',
    text,
    code,
    help: refusals[code].help[language],
    flowId: cut.flow,
  };
}

/** Whether a UDP app is there shows only by what programs sent to it lately. */
function describeUpstream(
  { connected, datagrams }: AppProbe,
  language: Language,
): Found | (Failure & { readonly outcome: 'failed' }) {
  if (connected) return { outcome: 'ok', text: whyText(language, 'upstream-good') };
  if (datagrams === undefined) return { outcome: 'unknown', text: whyText(language, 'upstream-not-asked') };
  const { sign } = datagrams;
  if (sign === undefined) return { outcome: 'unknown', text: whyText(language, 'datagrams-none') };
  const { last, secondsAgo: seconds } = sign;
  const text = whyText(language, `datagrams-${last}`, { seconds });
  if (last !== 'unreachable') return { outcome: last === 'answered' ? 'ok' : 'unknown', text };
  const code = 'upstream-unreachable';
  return { step: 'upstream', outcome: 'failed', text, code, help: refusals[code].help[language] };
}

/** What the gateway names as at fault: `posture`, then criteria. One that this agent does not know is passed over. */
function criteriaIn(detail: string | undefined): readonly PostureCriterion[] {
  const [kind, ...names] = detail?.split(' ') ?? [];
  return kind === 'posture' ? postureCriteria.filter((criterion) => names.includes(criterion)) : [];
}

function describePosture({ posture }: AgentStatus, app: string, language: Language): Found {
  const faulty = postureCriteria.filter((criterion) => posture?.checks[criterion] !== true);
  if (faulty.length === 0) return { outcome: 'ok', text: whyText(language, 'posture-good') };
  const criteria = namesOf(faulty, language);
  return { outcome: 'ok', text: whyText(language, 'posture-not-in-the-way', { app, criteria }) };
}

const namesOf = (criteria: readonly PostureCriterion[], language: Language): string =>
  criteria.map((criterion) => criterionNames[criterion][language]).join(', ');
