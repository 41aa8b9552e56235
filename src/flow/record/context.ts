import type { ConnectionFacts, DialledUpstream, FlowFacts } from '../../domain/flow.ts';
import type { Decision } from '../../domain/decision.ts';
import { isMachineName, recordedName } from '../../domain/subject.ts';
import type { Subject } from '../../domain/subject.ts';
import {
  actorObject,
  addressMember,
  deviceObject,
  endpointObject,
  fingerprintMember,
  targetObject,
  tlsObject,
} from './parties.ts';
import { asciiMembers, bound, textLimits } from './safe-text.ts';
import type { SpoolContext } from '../spool/spool.ts';

/** The gateway that records, as its records name it. */
export interface Recorder {
  readonly gateway: string;
  readonly bootId: string;
  readonly worker: number;
  /** Epoch milliseconds; tells a worker that died and was started again from the one before it. */
  readonly workerStartedAt: number;
}

/** What requests that were answered have in common, all of their records but what `ShortRecord` brings along. */
export interface ShortContext extends SpoolContext {
  readonly hash: string;
  /** What of a request is in it. */
  readonly request: Omit<NonNullable<FlowFacts['request']>, 'path'>;
  readonly inspection: string;
}

/** What requests of one subject to one upstream under one decision have in common, already as JSON members. */
export interface Context {
  /** For the classes of the network category. */
  readonly network: string;
  /** For `unmapped.postern` of every class. */
  readonly postern: string;
  /** Kinds of requests in it whose records are written short; filled as they come. */
  readonly kinds: ShortContext[];
}

type ContextKey = Pick<FlowFacts, 'subject' | 'app' | 'decision' | 'upstream'> & {
  /** What was asked for matters only while nothing was dialled. */
  readonly authority: string | undefined;
};

interface CachedContext extends Context {
  readonly key: ContextKey;
}

/**
 * Distinct contexts remembered for a connection, which is all that a laptop has open: some 6 KB each. One that needs more builds
 * each anew and writes it again, which costs ten times the record.
 */
const contextsPerConnection = 16;

/**
 * Builds contexts and remembers them for as long as their connection lives. A context is found again by what it was made of,
 * and that never changes, so a record can never show an earlier subject, decision or upstream.
 */
export function createContexts(recorder: Recorder): (facts: FlowFacts) => Context {
  const contexts = new WeakMap<ConnectionFacts, CachedContext[]>();
  return (facts) => {
    const known = contexts.get(facts.connection);
    if (known !== undefined) for (const cached of known) if (isSameContext(cached.key, facts)) return cached;
    const context = { key: contextKey(facts), ...buildContext(recorder, facts) };
    // A refusal before an application was found names a host that the client chose: seen once, not worth keeping.
    if (facts.app === undefined) return context;
    if (known === undefined) contexts.set(facts.connection, [context]);
    else keep(known, context);
    return context;
  };
}

/** What is under a newer version of the policies, or token, takes the place of the one before, which will not come again. */
function keep(known: CachedContext[], context: CachedContext): void {
  const { app, upstream, subject, decision } = context.key;
  const earlier = known.findIndex(
    ({ key }) =>
      key.app === app &&
      isSameUpstream(key.upstream, upstream) &&
      (key.subject !== subject || key.decision?.policyVersion !== decision?.policyVersion),
  );
  if (earlier !== -1) known[earlier] = context;
  else if (known.push(context) > contextsPerConnection) known.shift();
}

/** Only what is compared: the rest of the request must not be kept alive. */
const contextKey = ({ subject, app, decision, upstream, request }: FlowFacts): ContextKey =>
  ({
    subject,
    app,
    decision,
    upstream,
    authority: upstream === undefined ? request?.authority : undefined,
  }) as ContextKey;

function isSameContext(key: ContextKey, facts: FlowFacts): boolean {
  const { upstream } = facts;
  if (key.app !== facts.app || key.subject !== facts.subject) return false;
  if (!isSameDecision(key.decision, facts.decision)) return false;
  if (upstream === undefined) return key.upstream === undefined && key.authority === facts.request?.authority;
  return isSameUpstream(key.upstream, upstream);
}

/** By what a context has of it: one that depends on the request is made anew for each, and mostly says the same. */
function isSameDecision(one: Decision | undefined, other: Decision | undefined): boolean {
  if (one === other) return true;
  return (
    one?.effect === other?.effect &&
    one?.policyVersion === other?.policyVersion &&
    one?.policies.join() === other?.policies.join() &&
    (one?.shadow === other?.shadow || JSON.stringify(one?.shadow) === JSON.stringify(other?.shadow))
  );
}

export const isSameUpstream = (
  one: DialledUpstream | undefined,
  other: DialledUpstream | undefined,
): boolean =>
  one === other ||
  (one?.address === other?.address && one?.port === other?.port && one?.network === other?.network);

function buildContext(recorder: Recorder, facts: FlowFacts): Context {
  const { connection, subject, app } = facts;
  const tls = tlsObject(connection);
  return {
    network: asciiMembers({
      ...(app === undefined ? {} : { app_name: app.name }),
      actor: actorObject(subject),
      device: deviceObject(connection, subject),
      src_endpoint: endpointObject(connection.source),
      dst_endpoint: targetObject(facts),
      proxy_endpoint: { hostname: recorder.gateway, ...endpointObject(connection.destination) },
      connection_info: {
        uid: connection.id,
        direction_id: 1,
        direction: 'Inbound',
        ...(app?.protocol === 'udp'
          ? { protocol_name: 'udp', protocol_num: 17 }
          : { protocol_name: 'tcp', protocol_num: 6 }),
        protocol_ver_id: addressMember(connection.source.address).ip?.includes(':') === true ? 6 : 4,
      },
      ...(tls === undefined ? {} : { tls }),
      ...fingerprintMember(connection),
      ...authorizationMembers(facts),
    }),
    postern: asciiMembers(posternMembers(recorder, facts)),
    kinds: [],
  };
}

/** Policies that decided, for the profile security_control; default deny is a decision without a policy. */
export function authorizationMembers({ decision }: FlowFacts): object {
  if (decision === undefined) return { authorizations: [{ decision: 'none' }] };
  const { effect, policies, policyVersion: version } = decision;
  return {
    policy: { name: 'access', version },
    authorizations:
      policies.length === 0
        ? [{ decision: effect }]
        : policies.map((name) => ({ decision: effect, policy: { name, version } })),
  };
}

/** The same members for every flow, allowed or denied; what is not known is null, never left out. */
function posternMembers(recorder: Recorder, facts: FlowFacts): object {
  const { connection, subject, app, decision, upstream } = facts;
  const certificate = connection.certificate;
  const posture = subject?.token.posture;
  return {
    gateway: recorder.gateway,
    boot: recorder.bootId,
    worker: recorder.worker,
    workerStartedAt: recorder.workerStartedAt,
    connection: connection.id,
    alpn: connection.tls?.alpn ?? null,
    ja4: connection.ja4?.value ?? null,
    user:
      subject === undefined || isMachineName(subject.token.user)
        ? null
        : bound(recordedName(subject), textLimits.host),
    device: subject?.certificate.device ?? certificate?.device ?? null,
    certificateSerial: certificate === undefined ? null : bound(certificate.serial, textLimits.serial),
    posture: posture === undefined ? null : { measuredAt: posture.measuredAt, ...posture.checks },
    claims: subject === undefined ? null : keptClaims(subject),
    signIn: signInMember(subject),
    app: app?.name ?? null,
    network: app?.network ?? null,
    upstream: upstream === undefined ? null : dialled(upstream),
    decision: decision?.effect ?? null,
    policyVersion: decision?.policyVersion ?? null,
    policies: decision?.policies ?? [],
    shadow: decision?.shadow ?? null,
  };
}

/** Claims that groups may refer to: without them nobody can tell later what policies would have said. */
const maxClaimsLength = 1024;

/** Whole or not at all: a part of them would make a member of a group look like none. */
function keptClaims({ token }: Subject): Readonly<Record<string, readonly string[]>> | null {
  return JSON.stringify(token.claims).length > maxClaimsLength ? null : token.claims;
}

function signInMember(subject: Subject | undefined): { at: number; mfa: boolean } | null {
  const signIn = subject?.token.signIn;
  return signIn === undefined ? null : { at: signIn.at, mfa: signIn.mfa };
}

const dialled = ({ network, address, port }: DialledUpstream): object => ({
  network,
  address: bound(address, textLimits.host),
  port,
});
