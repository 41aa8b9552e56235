import type { Finding } from '../../src/domain/finding.ts';
import type { FlowFacts } from '../../src/domain/flow.ts';
import type { FlowId } from '../../src/domain/ids.ts';
import type { SpoolingFlowRecorder } from '../../src/flow/recorder.ts';
import {
  allowedFacts,
  answered,
  app,
  connection,
  deniedFacts,
  monday,
  refused,
  request,
  subject,
} from './samples.ts';

const anonymous: FlowFacts = {
  id: '019b8c4e-4444-7000-8000-000000000004' as FlowId,
  startedAt: monday,
  connection: {
    id: connection.id,
    startedAt: monday,
    source: { address: '2001:db8::17', port: 40_000 },
    destination: { address: '::1', port: 8443 },
  },
};
const withoutPosture: FlowFacts = {
  ...deniedFacts,
  subject: { ...subject, token: { ...subject.token, posture: undefined } },
};
const unauthenticated: FlowFacts = { id: deniedFacts.id, startedAt: monday, connection, request };
const tunnel: FlowFacts = {
  ...allowedFacts,
  parent: connection.id,
  request: { ...request, method: 'CONNECT', path: '' },
};

const finding: Finding = {
  id: '019b8c4e-5555-7000-8000-000000000005',
  rule: 'refusal-burst',
  title: 'Many refusals',
  description: 'More refusals than this laptop usually has.',
  severity: 'medium',
  state: 'new',
  at: monday + 5,
  firstSeenAt: monday,
  lastSeenAt: monday + 4,
  user: 'alice@example.org',
  device: 'd-7f3a',
  app: 'grants',
  flows: [deniedFacts.id],
  counts: { refusals: 40, usual: 0.5 },
};
const { user: _user, device: _device, app: _app, ...nobody } = finding;
const withoutWho: Finding = { ...nobody, state: 'closed', flows: [] };

/** Records one of each kind that a worker can write, and says how many. */
export function recordEveryKind(recorder: SpoolingFlowRecorder): number {
  const steps: (() => void)[] = [
    () => recorder.authentication(unauthenticated, { ...answered, bytesOut: 0 }),
    () => recorder.authentication({ ...allowedFacts }, answered),
    () => recorder.authentication(anonymous, { ...refused, refusal: 'certificate-missing' }),
    () =>
      recorder.authentication(unauthenticated, {
        ...refused,
        status: 401,
        refusal: 'token-bound-elsewhere',
        detail: 'thumbprint of another certificate',
      }),
    () => recorder.request(allowedFacts, answered),
    () => recorder.request(deniedFacts, refused),
    () => recorder.request(withoutPosture, refused),
    () => recorder.request(unauthenticated, { ...refused, status: 401, refusal: 'token-missing' }),
    () => recorder.request(anonymous, { ...refused, status: 400, refusal: 'bad-request' }),
    () => recorder.request({ ...allowedFacts, app }, { ...answered, status: 502, refusal: 'upstream-reset' }),
    () => recorder.request(allowedFacts, { endedAt: monday + 9, bytesIn: 5, bytesOut: 7, endedBy: 'client' }),
    () => recorder.request({ ...allowedFacts, request: { ...request, method: 'PROPFIND' } }, answered),
    () => recorder.request({ ...allowedFacts, request: { ...request, method: 'PATCH' } }, answered),
    () => recorder.tunnelOpened(tunnel),
    () =>
      recorder.tunnelTraffic(tunnel, {
        since: monday,
        at: monday + 60_000,
        bytesIn: 1,
        bytesOut: 2,
        totalIn: 3,
        totalOut: 4,
      }),
    () => recorder.session({ ...unauthenticated, subject }, { kind: 'open', at: monday }),
    () => recorder.session({ ...unauthenticated, subject }, { kind: 'renew', at: monday + 9 }),
    () => recorder.session({ ...unauthenticated, subject }, { kind: 'close', outcome: answered }),
    () => recorder.session(anonymous, { kind: 'close', outcome: { ...refused, refusal: 'grant-ended' } }),
    () => recorder.heartbeat({ offsetMs: null, against: null }, []),
    () => recorder.heartbeat({ offsetMs: -12, against: 'redis' }, []),
    () => recorder.finding(finding),
    () =>
      recorder.finding({
        ...finding,
        state: 'updated',
        flows: Array.from({ length: 500 }, (_, n) => `flow-${n}`),
      }),
    () => recorder.finding(withoutWho),
    () => recorder.tunnelClosed(tunnel, { ...answered, bytesIn: 100, bytesOut: 9000, endedBy: 'client' }),
    () => recorder.tunnelOpened(tunnel),
    () => recorder.tunnelClosed(tunnel, { ...refused, refusal: 'grant-ended' }),
    () => recorder.tunnelClosed({ ...deniedFacts, request: { ...request, method: 'CONNECT' } }, refused),
    () => recorder.tunnelClosed(tunnel, { ...refused, status: 502, refusal: 'upstream-unreachable' }),
  ];
  for (const step of steps) step();
  return steps.length;
}
