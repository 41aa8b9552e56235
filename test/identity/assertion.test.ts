import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import type { DeviceId, FlowId, UserName } from '../../src/domain/ids.ts';
import { emptyState } from '../../src/ledger/fold.ts';
import { signAssertion } from '../../src/identity/assertion.ts';
import { buildJwks } from '../../src/identity/signing-keys.ts';
import { domain, makeKey, now } from './token-lab.ts';

const key = makeKey('assertion');
const content = {
  domain,
  app: 'grants',
  user: 'alice@example.org' as UserName,
  device: 'd-abc234' as DeviceId,
  now,
};

/** As an application does it: with a library, and with nothing of ours but the published key set. */
function verifyAsApplication(token: string, options: { audience?: string; at?: number } = {}) {
  const state = emptyState();
  state.signingKeys.set(key.published.kid, key.published);
  return jwtVerify(token, createLocalJWKSet(buildJwks(state, 'assertion', now)), {
    algorithms: ['ES256'],
    typ: 'postern-assertion+jwt',
    issuer: 'spiffe://example.org/control',
    audience: options.audience ?? 'grants',
    currentDate: new Date((options.at ?? now) * 1000),
  });
}

describe('an assertion', () => {
  it('tells the application who asks, from which device and for which flow', async () => {
    const flowId = '01J0000000000000000000FLOW' as FlowId;
    const { payload, protectedHeader } = await verifyAsApplication(
      signAssertion(key.signing, { ...content, flowId }),
    );
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'postern-assertion+jwt', kid: key.signing.kid });
    expect(payload).toEqual({
      iss: 'spiffe://example.org/control',
      aud: 'grants',
      sub: 'alice@example.org',
      device: 'd-abc234',
      iat: now,
      exp: now + 60,
      jti: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      flow_id: flowId,
    });
  });

  it('is of no use to another application', async () => {
    const token = signAssertion(key.signing, content);
    await expect(verifyAsApplication(token, { audience: 'payroll' })).rejects.toThrow('aud');
    await expect(verifyAsApplication(token)).resolves.toMatchObject({ payload: { aud: 'grants' } });
  });

  it('is of no use after a minute', async () => {
    const token = signAssertion(key.signing, content);
    await expect(verifyAsApplication(token, { at: now + 59 })).resolves.toMatchObject({});
    await expect(verifyAsApplication(token, { at: now + 60 })).rejects.toThrow('exp');
  });

  it('is a new one each time', () => {
    const tokens = Array.from({ length: 10 }, () => signAssertion(key.signing, content));
    expect(new Set(tokens).size).toBe(10);
  });

  it('is signed by the key that it names', async () => {
    const other = makeKey('assertion');
    const impostor = { ...other.signing, kid: key.signing.kid };
    await expect(verifyAsApplication(signAssertion(impostor, content))).rejects.toThrow('signature');
  });
});
