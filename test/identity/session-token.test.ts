import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import * as fc from 'fast-check';
import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import type { Posture } from '../../src/domain/posture.ts';
import { signAssertion } from '../../src/identity/assertion.ts';
import { maxTokenCharacters } from '../../src/identity/compact-form.ts';
import { signSessionToken } from '../../src/identity/session-token.ts';
import {
  base64url,
  content,
  domain,
  forgeToken,
  goodClaims,
  goodHeader,
  makeKey,
  now,
  otherThumbprint,
  thumbprint,
  verifierOf,
} from './token-lab.ts';

const key = makeKey();
const verifier = verifierOf(key);
const verify = (token: string, at = now, to = thumbprint) => verifier.verify(token, to, at);
const codeOf = async (token: string, at = now, to = thumbprint): Promise<string> => {
  const result = await verify(token, at, to);
  return 'code' in result ? result.code : 'verified';
};
const spoil = (claims: Record<string, unknown>, header: Record<string, unknown> = {}): string =>
  forgeToken(key.signing, { ...goodHeader(key.signing), ...header }, { ...goodClaims(), ...claims });

const posture: Posture = {
  measuredAt: now - 20,
  os: 'linux',
  osVersion: '13',
  agentVersion: '0.1.0',
  checks: {
    diskEncrypted: true,
    firewallEnabled: 'unknown',
    screenLockEnabled: false,
    osUpToDate: true,
    secureBoot: 'unknown',
    protectionRunning: true,
  },
};

describe('a session token', () => {
  it('verifies on the connection of the certificate that it is bound to, and says who', async () => {
    const claims = { groups: ['finance', 'école'] };
    const signed = await signSessionToken(key.signing, content({ claims, posture }));
    expect(signed.expiresAt).toBe(now + 600);
    expect(await verify(signed.token)).toEqual({
      id: signed.id,
      user: 'alice@example.org',
      device: 'd-abc234',
      claims,
      posture,
      issuedAt: now,
      expiresAt: now + 600,
    });
  });

  it('verifies without a posture, and as the forge writes it when nothing is spoiled', async () => {
    const { token } = await signSessionToken(key.signing, content());
    expect(await verify(token)).toMatchObject({ posture: undefined, claims: {} });
    expect(await codeOf(spoil({}))).toBe('verified');
  });

  it('says which sign-in it stems from, and is refused where it says so in any other shape', async () => {
    const signIn = { id: 'sign-in-1', at: now - 90, mfa: true };
    const { token } = await signSessionToken(key.signing, content({ signIn }));
    expect(await verify(token)).toMatchObject({ signIn });
    expect(await codeOf(spoil({ signIn }))).toBe('verified');
    for (const bad of [
      null,
      {},
      { ...signIn, mfa: 'true' },
      { ...signIn, at: '0' },
      { ...signIn, at: -1 },
      { ...signIn, id: '' },
      { ...signIn, more: 1 },
    ])
      expect([bad, await codeOf(spoil({ signIn: bad }))]).toEqual([bad, 'token-malformed']);
  });

  it('verifies from half a minute before it was issued to the second before it expires', async () => {
    const { token } = await signSessionToken(key.signing, content());
    expect(await codeOf(token, now - 31)).toBe('token-not-yet-valid');
    expect(await codeOf(token, now - 30)).toBe('verified');
    expect(await codeOf(token, now + 599)).toBe('verified');
    expect(await codeOf(token, now + 600)).toBe('token-expired');
  });

  it('is refused on the connection of another certificate', async () => {
    const { token } = await signSessionToken(key.signing, content());
    expect(await codeOf(token, now, otherThumbprint)).toBe('token-bound-elsewhere');
    expect(await codeOf(token, now, '')).toBe('token-bound-elsewhere');
  });
});

describe('the signature', () => {
  const [header, payload] = [
    base64url(JSON.stringify(goodHeader(key.signing))),
    base64url(JSON.stringify(goodClaims())),
  ];

  it('is never missing: algorithm none', async () => {
    const none = base64url(JSON.stringify({ ...goodHeader(key.signing), alg: 'none' }));
    expect(await codeOf(`${none}.${payload}.`)).toBe('token-malformed');
    expect(await codeOf(`${none}.${payload}.${'A'.repeat(86)}`)).toBe('token-signature');
    expect(await codeOf(`${header}.${payload}.${'A'.repeat(86)}`)).toBe('token-signature');
  });

  it.each(['pem', 'der', 'x'] as const)(
    'is not an HMAC with the public key (%s) as its secret',
    async (form) => {
      const publicKey = createPublicKey(key.publicKeyPem);
      const secret = {
        pem: Buffer.from(key.publicKeyPem),
        der: publicKey.export({ format: 'der', type: 'spki' }),
        x: Buffer.from(key.published.jwk.x, 'base64url'),
      }[form];
      for (const alg of ['HS256', 'HS512', 'ES256']) {
        const signed = `${base64url(JSON.stringify({ ...goodHeader(key.signing), alg }))}.${payload}`;
        const mac = createHmac('sha512', secret).update(signed).digest();
        expect(await codeOf(`${signed}.${base64url(mac)}`)).toBe('token-signature');
      }
    },
  );

  it('is of the key that is named, not of another under its name', async () => {
    const other = makeKey();
    const impostor = { ...other.signing, kid: key.signing.kid };
    expect(await codeOf(forgeToken(impostor, goodHeader(key.signing), goodClaims()))).toBe('token-signature');
    expect(await codeOf(forgeToken(other.signing, goodHeader(other.signing), goodClaims()))).toBe(
      'token-signature',
    );
  });

  it.each(['ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'es256', '', 'ES256K'])('is not %j', async (alg) => {
    expect(await codeOf(spoil({}, { alg }))).toBe('token-signature');
  });

  it('is not in the DER form', async () => {
    const der = sign('sha256', Buffer.from(`${header}.${payload}`), key.signing.privateKey);
    expect(await codeOf(`${header}.${payload}.${base64url(der)}`)).toBe('token-malformed');
  });

  it('is not of zeros, which broken verifiers took for good ones', async () => {
    expect(await codeOf(`${header}.${payload}.${base64url(Buffer.alloc(64))}`)).toBe('token-signature');
  });
});

describe('the key', () => {
  it('is one that the ledger has for session tokens', async () => {
    const assertionKey = makeKey('assertion');
    const token = forgeToken(assertionKey.signing, goodHeader(assertionKey.signing), goodClaims());
    expect(await verifierOf(key, assertionKey).verify(token, thumbprint, now)).toMatchObject({
      code: 'token-signature',
      detail: 'key is not for session tokens',
    });
  });

  it('named by no, another or no text is unknown', async () => {
    for (const kid of ['', 'unknown', '__proto__', 7, null, undefined, [key.signing.kid]]) {
      expect(await codeOf(spoil({}, { kid }))).toBe('token-signature');
    }
  });

  it('verifies what it signed until that expires after it was retired, and nothing that it signed later', async () => {
    const retired = makeKey('session', { retiredAt: now + 10 });
    const withRetired = verifierOf(retired);
    const verifyAt = async (issuedAt: number, at: number): Promise<string> => {
      const { token } = await signSessionToken(retired.signing, content({ now: issuedAt }));
      const result = await withRetired.verify(token, thumbprint, at);
      return 'code' in result ? result.code : 'verified';
    };
    expect(await verifyAt(now, now + 599)).toBe('verified');
    expect(await verifyAt(now + 40, now + 50)).toBe('verified');
    expect(await verifyAt(now + 41, now + 50)).toBe('token-signature');
    expect(await verifyAt(now + 5000, now + 5000)).toBe('token-signature');
  });

  it('that replaces another under the same name is the one that counts', async () => {
    const first = makeKey('session', { kid: 'same' });
    const second = makeKey('session', { kid: 'same' });
    const { token } = await signSessionToken(first.signing, content());
    expect(await verifierOf(first).verify(token, thumbprint, now)).not.toHaveProperty('code');
    expect(await verifierOf(second).verify(token, thumbprint, now)).toMatchObject({
      code: 'token-signature',
    });
  });

  it('that is no point of the curve verifies nothing', async () => {
    const { jwk } = key.published;
    const broken = { ...key, published: { ...key.published, jwk: { ...jwk, y: jwk.x } } };
    const { token } = await signSessionToken(key.signing, content());
    expect(await verifierOf(broken).verify(token, thumbprint, now)).toMatchObject({
      code: 'token-signature',
    });
  });

  it('missing altogether refuses everything', async () => {
    const { token } = await signSessionToken(key.signing, content());
    expect(await verifierOf().verify(token, thumbprint, now)).toMatchObject({ code: 'token-signature' });
  });
});

describe('a token for something else', () => {
  it.each([
    ['another audience', { aud: 'postern-control' }],
    ['an application as audience', { aud: 'grants' }],
    ['a list of audiences', { aud: ['postern-gateway'] }],
    ['no audience', { aud: undefined }],
    ['another issuer', { iss: 'spiffe://evil.example/control' }],
    ['the issuer spelled otherwise', { iss: 'spiffe://Example.org/control' }],
    ['no issuer', { iss: undefined }],
  ])('is refused: %s', async (_title, claims) => {
    expect(await codeOf(spoil(claims))).toBe('token-audience');
  });

  it('is refused: an assertion for an application, whoever signed it', async () => {
    const subject = { user: 'alice@example.org' as UserName, device: 'd-abc234' as DeviceId };
    const app = 'postern-gateway';
    expect(await codeOf(signAssertion(key.signing, { domain, app, ...subject, now }))).toBe('token-audience');
  });

  it.each([
    'JWT',
    'postern-assertion+jwt',
    'application/postern-session+jwt',
    'POSTERN-SESSION+JWT',
    undefined,
  ])('is refused: of type %j', async (typ) => {
    expect(await codeOf(spoil({}, { typ }))).toBe('token-audience');
  });
});

describe('a header that says how to be believed', () => {
  it('is refused, whatever it brings', async () => {
    const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = mine.publicKey.export({ format: 'jwk' });
    for (const extra of [
      { jwk },
      { x5c: ['MIIB'] },
      { jku: 'https://evil.example/jwks.json' },
      { x5u: 'https://evil.example/c.pem' },
      { 'x5t#S256': thumbprint },
      { crit: ['exp'] },
      { crit: ['b64'], b64: false },
      { b64: true },
      { zip: 'DEF' },
      { cty: 'JWT' },
    ]) {
      const header = { ...goodHeader(key.signing), ...extra };
      expect(await codeOf(forgeToken(key.signing, header, goodClaims()))).toBe('token-malformed');
      expect(await codeOf(forgeToken({ kid: '', privateKey: mine.privateKey }, header, goodClaims()))).toBe(
        'token-malformed',
      );
    }
  });
});

describe('claims', () => {
  it.each([
    ['without a user', { sub: undefined }],
    ['with an empty user', { sub: '' }],
    ['with a user that is a number', { sub: 7 }],
    ['without an id', { jti: undefined }],
    ['with a short id', { jti: 'j' }],
    ['without an end', { exp: undefined }],
    ['with an end in text', { exp: String(now + 600) }],
    ['with an end that is no whole second', { exp: now + 0.5 }],
    ['without a beginning', { iat: undefined }],
    ['that live for a second too long', { exp: now + 601 }],
    ['that end as they begin', { exp: now }],
    ['without a certificate', { cnf: undefined }],
    ['bound to a key in place of a certificate', { cnf: { jkt: thumbprint } }],
    ['bound to a certificate and a key', { cnf: { 'x5t#S256': thumbprint, jkt: thumbprint } }],
    ['bound to nothing', { cnf: { 'x5t#S256': '' } }],
    ['that are not ours', { admin: true }],
    ['with a not-before that we do not set', { nbf: now }],
    ['with groups that are not a list', { claims: { groups: 'finance' } }],
    ['with a posture that lacks its time', { posture: { ...posture, measuredAt: undefined } }],
    [
      'with a posture check that is maybe',
      { posture: { ...posture, checks: { ...posture.checks, secureBoot: 'maybe' } } },
    ],
  ])('are refused %s', async (_title, claims) => {
    expect(await codeOf(spoil(claims))).toBe('token-malformed');
  });

  it.each([
    ['the user twice', (text: string) => text.replace('"sub":', '"sub":"mallory@example.org","sub":')],
    [
      'the binding twice',
      (text: string) => text.replace('"cnf":', `"cnf":{"x5t#S256":"${otherThumbprint}"},"cnf":`),
    ],
    ['a space', (text: string) => text.replace('"sub":', '"sub": ')],
    ['a byte order mark', (text: string) => `\uFEFF${text}`],
    ['a needless escape', (text: string) => text.replace('alice', '\\u0061lice')],
    ['a number written otherwise', (text: string) => text.replace(String(now), '1.8e9')],
    ['a second document', (text: string) => `${text}{}`],
    ['a list round them', (text: string) => `[${text}]`],
    ['nothing but null', () => 'null'],
  ])('are refused with %s', async (_title, change) => {
    const token = forgeToken(key.signing, goodHeader(key.signing), change(JSON.stringify(goodClaims())));
    expect(await codeOf(token)).toBe('token-malformed');
  });

  it('are refused in broken UTF-8', async () => {
    const text = Buffer.from(JSON.stringify(goodClaims()).replace('alice', '\xff'), 'latin1');
    const signed = `${base64url(JSON.stringify(goodHeader(key.signing)))}.${base64url(text)}`;
    const signature = sign('sha256', Buffer.from(signed), {
      key: key.signing.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    expect(await codeOf(`${signed}.${base64url(signature)}`)).toBe('token-malformed');
  });

  it('twice in the header are refused as well', async () => {
    const header = JSON.stringify(goodHeader(key.signing)).replace('"alg":', '"alg":"none","alg":');
    expect(await codeOf(forgeToken(key.signing, header, goodClaims()))).toBe('token-malformed');
  });
});

describe('the form of a token', () => {
  it('is the compact one in its only spelling', async () => {
    const { token } = await signSessionToken(key.signing, content());
    const [header = '', payload = '', signature = ''] = token.split('.');
    const variants = [
      '',
      '.',
      '..',
      `${token}=`,
      `${token}==`,
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      `${token}.`,
      `.${token}`,
      `${token}.${signature}`,
      `${header}.${payload}`,
      `${header}=.${payload}.${signature}`,
      `${header}.${payload}=.${signature}`,
      `${header}.${payload.slice(0, 8)} ${payload.slice(8)}.${signature}`,
      `${header}.${payload}.${signature.slice(0, 40)}\n${signature.slice(40)}`,
      `Bearer ${token}`,
      JSON.stringify({ payload, protected: header, signature }),
    ];
    for (const variant of variants)
      expect([variant, await codeOf(variant)]).toEqual([variant, 'token-malformed']);
    expect(await codeOf(token)).toBe('verified');
  });

  it('has no stray bits behind the last octet of any part', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const { token } = await signSessionToken(key.signing, content());
    const parts = token.split('.');
    let tried = 0;
    for (const [index, part] of parts.entries()) {
      const last = alphabet.indexOf(part.at(-1) ?? '');
      for (let bits = 1; bits < 16; bits++) {
        const changed = part.slice(0, -1) + (alphabet[last ^ bits] ?? '');
        if (!Buffer.from(changed, 'base64url').equals(Buffer.from(part, 'base64url'))) continue;
        tried++;
        expect(await codeOf(parts.with(index, changed).join('.'))).toBe('token-malformed');
      }
    }
    expect(tried).toBeGreaterThanOrEqual(3);
  });

  it('is no longer than 16 KiB', async () => {
    const long = { claims: { groups: Array.from({ length: 2000 }, (_, index) => `group-${index}`) } };
    const { token } = await signSessionToken(key.signing, content(long));
    expect(token.length).toBeGreaterThan(maxTokenCharacters);
    expect(await codeOf(token)).toBe('token-malformed');
    const fits = { claims: { groups: Array.from({ length: 800 }, (_, index) => `group-${index}`) } };
    expect(await codeOf((await signSessionToken(key.signing, content(fits))).token)).toBe('verified');
  });

  it('never verifies with any one character changed', async () => {
    const { token } = await signSessionToken(key.signing, content({ posture }));
    const characters = fc.constantFrom(
      ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n\0é'.split(''),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), characters, async (at, character) => {
        fc.pre(token[at] !== character);
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        expect(await codeOf(changed)).not.toBe('verified');
      }),
      { numRuns: 1000 },
    );
  });

  it('never throws, whatever it is given', async () => {
    const parts = fc.tuple(fc.string({ unit: 'binary' }), fc.json(), fc.string());
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), parts, async (text, [header, payload, signature]) => {
        expect(await codeOf(text)).not.toBe('verified');
        const token = [header, payload, signature].map((part) => base64url(part)).join('.');
        expect(await codeOf(token)).not.toBe('verified');
      }),
    );
  });
});

describe('what another library writes', () => {
  it('verifies if it is the same token', async () => {
    const token = await new SignJWT(goodClaims())
      .setProtectedHeader({ alg: 'ES256', typ: 'postern-session+jwt', kid: key.signing.kid })
      .sign(key.signing.privateKey);
    expect(await codeOf(token)).toBe('verified');
  });
});
