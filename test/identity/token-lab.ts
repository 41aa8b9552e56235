import { createPublicKey, sign } from 'node:crypto';
import { tokenIssuer } from '../../src/contract/session-token.ts';
import type { PublishedKey } from '../../src/domain/control-state.ts';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import { createTokenVerifier } from '../../src/identity/session-token.ts';
import type { SessionTokenContent, TokenVerifier } from '../../src/identity/session-token.ts';
import { createSigningKey, loadSigningKey } from '../../src/identity/signing-key.ts';
import type { KeyUse, SigningKey } from '../../src/identity/signing-key.ts';

export const domain = 'example.org';
export const now = 1_800_000_000;
export const thumbprint = 'A'.repeat(42) + 'E';
export const otherThumbprint = 'B'.repeat(42) + 'E';

export interface LabKey {
  readonly signing: SigningKey;
  readonly published: PublishedKey;
  /** SubjectPublicKeyInfo PEM, as an attacker has it from the JWKS. */
  readonly publicKeyPem: string;
}

export function makeKey(use: KeyUse = 'session', change: Partial<PublishedKey> = {}): LabKey {
  const { privateKeyPem, published } = createSigningKey(use, now - 86_400);
  const changed = { ...published, ...change };
  return {
    signing: loadSigningKey(changed.kid, privateKeyPem),
    published: changed,
    publicKeyPem: createPublicKey(privateKeyPem).export({ format: 'pem', type: 'spki' }),
  };
}

export const verifierOf = (...keys: LabKey[]): TokenVerifier => {
  const published = new Map(keys.map((key) => [key.published.kid, key.published]));
  return createTokenVerifier({ domain, keys: () => published });
};

export const content = (change: Partial<SessionTokenContent> = {}): SessionTokenContent => ({
  domain,
  user: 'alice@example.org' as UserName,
  device: 'd-abc234' as DeviceId,
  thumbprint,
  claims: {},
  posture: undefined,
  now,
  ...change,
});

/** The claims of a good token, to be spoiled. */
export const goodClaims = (): Record<string, unknown> => ({
  iss: tokenIssuer(domain),
  aud: 'postern-gateway',
  sub: 'alice@example.org',
  jti: 'j'.repeat(22),
  iat: now,
  exp: now + 600,
  device: 'd-abc234',
  cnf: { 'x5t#S256': thumbprint },
  claims: {},
});

export const base64url = (value: string | Buffer): string => Buffer.from(value).toString('base64url');

/** Signs any header and payload with the control plane's own key: what no library would write. */
export function forgeToken(key: SigningKey, header: unknown, payload: unknown): string {
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const signed = `${base64url(text(header))}.${base64url(text(payload))}`;
  const signature = sign('sha256', Buffer.from(signed), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${base64url(signature)}`;
}

export const goodHeader = (key: SigningKey): Record<string, unknown> => ({
  alg: 'ES256',
  typ: 'postern-session+jwt',
  kid: key.kid,
});
