import type { Decision } from '../../src/domain/decision.ts';
import type { ConnectionFacts, DialledUpstream, FlowFacts, FlowOutcome } from '../../src/domain/flow.ts';
import type { DeviceId, FlowId, NetworkName, UserName } from '../../src/domain/ids.ts';
import type { Subject } from '../../src/domain/subject.ts';
import { app as makeApp } from '../lab/resources.ts';

/** 2026-01-05T08:00:00Z, in milliseconds. */
export const monday = Date.UTC(2026, 0, 5, 8);

export const connection: ConnectionFacts = {
  id: '019b8c4e-1111-7000-8000-000000000001' as FlowId,
  startedAt: monday - 60_000,
  source: { address: '192.0.2.17', port: 50_123 },
  destination: { address: '198.51.100.1', port: 8443 },
  ja4: {
    value: 't13d1516h2_8daaf6152771_e5627efa2ab1',
    a: 't13d1516h2',
    b: '8daaf6152771',
    c: 'e5627efa2ab1',
  },
  tls: {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    serverName: 'grants.apps.example.org',
    alpn: 'http/1.1',
  },
  certificate: {
    device: 'd-7f3a' as DeviceId,
    serial: '5A0C33D1',
    issuer: 'CN=Example Device Authority',
    subject: 'CN=d-7f3a',
    thumbprint: 'A'.repeat(43),
    notBefore: monday / 1000 - 86_400,
    notAfter: monday / 1000 + 518_400,
  },
};

export const subject: Subject = {
  certificate: {
    device: 'd-7f3a' as DeviceId,
    serial: '5A0C33D1',
    thumbprint: 'A'.repeat(43),
    issuer: 'CN=Example Device Authority',
    notBefore: monday / 1000 - 86_400,
    notAfter: monday / 1000 + 518_400,
  },
  token: {
    id: 'jti-4242',
    user: 'alice@example.org' as UserName,
    device: 'd-7f3a' as DeviceId,
    claims: { groups: ['finance'] },
    posture: {
      measuredAt: monday / 1000 - 120,
      os: 'debian',
      osVersion: '13',
      agentVersion: '0.1.0',
      checks: {
        diskEncrypted: true,
        firewallEnabled: true,
        screenLockEnabled: true,
        osUpToDate: false,
        secureBoot: 'unknown',
        protectionRunning: true,
      },
    },
    issuedAt: monday / 1000 - 60,
    expiresAt: monday / 1000 + 540,
  },
};

export const app = makeApp();

export const allow: Decision = {
  effect: 'allow',
  policies: ['finance-grants'],
  policyVersion: '12-9f8e7d6c',
};
export const deny: Decision = {
  effect: 'deny',
  policies: ['no-contractors'],
  policyVersion: '12-9f8e7d6c',
  reasons: ['policy-forbids'],
};

export const upstream: DialledUpstream = {
  network: 'finance' as NetworkName,
  address: '10.0.0.2',
  port: 8080,
};

export const request: NonNullable<FlowFacts['request']> = {
  method: 'GET',
  authority: 'grants.apps.example.org:8443',
  path: '/applications/17',
  scheme: 'https',
  httpVersion: '1.1',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64)',
};

export const allowedFacts: FlowFacts = {
  id: '019b8c4e-2222-7000-8000-000000000002' as FlowId,
  connection,
  startedAt: monday,
  subject,
  app,
  decision: allow,
  upstream,
  request,
};
export const deniedFacts: FlowFacts = {
  id: '019b8c4e-3333-7000-8000-000000000003' as FlowId,
  connection,
  startedAt: monday,
  subject,
  app,
  decision: deny,
  request,
};

export const answered: FlowOutcome = {
  endedAt: monday + 25,
  status: 200,
  bytesIn: 0,
  bytesOut: 1024,
  endedBy: 'upstream',
};
export const refused: FlowOutcome = {
  endedAt: monday + 1,
  status: 403,
  bytesIn: 0,
  bytesOut: 512,
  refusal: 'denied',
  endedBy: 'gateway',
};
