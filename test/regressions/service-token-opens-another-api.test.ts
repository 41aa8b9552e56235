/**
 * Pomerium CVE-2024-47616: a token made for one service was accepted by an internal API, because both trusted the same
 * keys and neither asked for whom it was. We sign two kinds of token. An application that receives an assertion could
 * present it to the gateway as a session; a laptop could present its session token to an application as an assertion.
 * Keys, types and audiences are apart, and each alone must be enough to refuse.
 */
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import { signAssertion } from '../../src/identity/assertion.ts';
import { signSessionToken } from '../../src/identity/session-token.ts';
import { buildJwks } from '../../src/identity/signing-keys.ts';
import { emptyState } from '../../src/ledger/fold.ts';
import {
  content,
  domain,
  forgeToken,
  goodClaims,
  goodHeader,
  makeKey,
  now,
  thumbprint,
  verifierOf,
} from '../identity/token-lab.ts';

const session = makeKey('session');
const assertion = makeKey('assertion');
const verify = (token: string) => verifierOf(session, assertion).verify(token, thumbprint, now);
const subject = { user: 'alice@example.org' as UserName, device: 'd-abc234' as DeviceId };

describe('an assertion', () => {
  it('is no session token: not by its type, its key or its audience', async () => {
    const token = signAssertion(assertion.signing, {
      domain,
      app: 'postern-gateway',
      ...subject,
      now,
    });
    expect(await verify(token)).toMatchObject({ code: 'token-audience' });
    const rightType = forgeToken(assertion.signing, goodHeader(assertion.signing), goodClaims());
    expect(await verify(rightType)).toMatchObject({ code: 'token-signature' });
    const header = { ...goodHeader(session.signing), typ: 'postern-assertion+jwt' };
    expect(await verify(forgeToken(session.signing, header, goodClaims()))).toMatchObject({
      code: 'token-audience',
    });
    const rightKey = forgeToken(session.signing, goodHeader(session.signing), {
      ...goodClaims(),
      aud: 'grants',
    });
    expect(await verify(rightKey)).toMatchObject({ code: 'token-audience' });
  });
});

describe('a session token', () => {
  it('is no assertion: the published key set has not even its key', async () => {
    const state = emptyState();
    for (const key of [session, assertion]) state.signingKeys.set(key.published.kid, key.published);
    const keys = createLocalJWKSet(buildJwks(state, 'assertion', now));
    const { token } = await signSessionToken(session.signing, content());
    await expect(jwtVerify(token, keys, { currentDate: new Date(now * 1000) })).rejects.toThrow(
      'no applicable key',
    );
    const good = signAssertion(assertion.signing, { domain, app: 'grants', ...subject, now });
    await expect(
      jwtVerify(good, keys, { currentDate: new Date(now * 1000), audience: 'grants' }),
    ).resolves.toMatchObject({});
  });

  it('opens the gateway', async () => {
    const { token } = await signSessionToken(session.signing, content());
    expect(await verify(token)).toMatchObject({ user: 'alice@example.org' });
  });
});
