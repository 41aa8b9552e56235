import { randomBytes, sign } from 'node:crypto';
import { assertionLifetimeSeconds, assertionTokenType, tokenIssuer } from '../contract/session-token.ts';
import type { DeviceId, FlowId, UserName } from '../domain/ids.ts';
import type { SigningKey } from './signing-key.ts';

export interface AssertionContent {
  readonly domain: string;
  /** Name of the application, which becomes the audience. */
  readonly app: string;
  readonly user: UserName;
  readonly device: DeviceId;
  readonly flowId?: FlowId;
  /** Epoch seconds. */
  readonly now: number;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * The `Postern-Assertion` that tells an application who asks: a JWT of one minute with the application as audience,
 * which it verifies with our published keys. Made on the request path, so OpenSSL signs at once instead of on the
 * thread pool through WebCrypto: 50 µs where `jose` takes 125 µs. What it makes is verified with `jose` in the tests.
 */
export function signAssertion(key: SigningKey, content: AssertionContent): string {
  const claims = {
    iss: tokenIssuer(content.domain),
    aud: content.app,
    sub: content.user,
    device: content.device,
    iat: content.now,
    exp: content.now + assertionLifetimeSeconds,
    jti: randomBytes(16).toString('base64url'),
    ...(content.flowId === undefined ? {} : { flow_id: content.flowId }),
  };
  const signed = `${encode({ alg: 'ES256', typ: assertionTokenType, kid: key.kid })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
