import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { certificateThumbprint } from '../../../certs/thumbprint.ts';
import type { VerifiedCertificate } from '../../../src/domain/subject.ts';
import { isRefusal } from '../../../src/control/api/refused.ts';
import { startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

const browserUrl = 'https://control.example.org:8444';
const host = 'grants.apps.example.org';
let lab: SignInLab;

beforeAll(async () => {
  lab = await startSignInLab({ browserUrl });
  lab.provider.reconfigure({ redirectUris: [`${browserUrl}/v1/sign-in/callback`] });
  await lab.control.ask('POST', '/v1/apply', {
    body: {
      resources: [
        { kind: 'Network', name: 'finance', attach: { direct: true } },
        {
          kind: 'App',
          name: 'grants',
          network: 'finance',
          host,
          protocol: 'http',
          upstreams: ['http://127.0.0.1:1'],
        },
      ],
    },
  });
});
afterAll(() => lab.close());

it('gives no session token for a cookie while the ledger is away, and does when it is back', async () => {
  const { device, chainPem } = await lab.control.enroll('alice@example.org');
  const thumbprint = certificateThumbprint(new X509Certificate(chainPem).raw);
  const certificate = { device, thumbprint } as VerifiedCertificate;
  const browsers = lab.control.parts.signIn?.browsers;
  if (browsers === undefined) throw new Error('no sign-in for browsers');
  const begun = await browsers.begin(certificate, `https://${host}/`, {});
  if (isRefusal(begun)) throw new Error(begun.code);
  const { url } = await lab.browser().open(begun.authorizationUrl, ({ origin }) => origin === browserUrl);
  const address = await browsers.complete(certificate, begun.kept, url.search);
  if (isRefusal(address)) throw new Error(address.code);
  const code = new URL(address).searchParams.get('code') ?? '';
  const proof = { device, thumbprint, host };
  const opened = await browsers.open({ ...proof, kind: 'code', value: code });
  if (isRefusal(opened)) throw new Error(opened.code);
  const cookie = opened.handedOver?.cookie ?? '';

  lab.isLedgerAway = true;
  expect(await browsers.open({ ...proof, kind: 'cookie', value: cookie })).toEqual({
    code: 'store-unavailable',
    detail: 'ledger away',
  });
  lab.isLedgerAway = false;
  expect(await browsers.open({ ...proof, kind: 'cookie', value: cookie })).toEqual({
    token: expect.stringMatching(/^ey/),
  });
});
