import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { BrowserProof, BrowserSession } from '../../contract/ipc.ts';
import { signInPath } from '../../contract/session-cookie.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { DeviceId } from '../../domain/ids.ts';
import type { VerifiedCertificate } from '../../domain/subject.ts';
import { signSessionToken } from '../../identity/session-token.ts';
import type { Sealer } from '../../identity/sealer.ts';
import type { SigningKey } from '../../identity/signing-key.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';
import { isRefusal } from '../api/refused.ts';
import type { DeviceSignIns } from './device-sign-ins.ts';
import type { SignIns, SignInWish } from './sign-ins.ts';

/** Users who sign in with a browser that has the device certificate, and no agent beside it. */
export interface BrowserSignIns {
  /** `to`: the address of an application, where the browser is to come back to. */
  begin(
    certificate: VerifiedCertificate,
    to: string,
    wish: SignInWish,
  ): Promise<{ readonly authorizationUrl: string; readonly kept: string } | Refusal>;
  /**
   * Where to begin again what the browser kept, should it fail; undefined for what was not kept. The provider is to ask
   * anew: it would otherwise answer again for the same person.
   */
  again(kept: string): string | undefined;
  /** @returns the address at the application's host that hands the sign-in over to the gateway. */
  complete(certificate: VerifiedCertificate, kept: string, parameters: string): Promise<string | Refusal>;
  /** For a worker: the session token of what a browser showed it, which is this browser's for this host. */
  open(proof: BrowserProof): Promise<BrowserSession | Refusal>;
}

const strict = { additionalProperties: false } as const;
/** What the browser keeps while it is at the provider, in a cookie of the control plane's host. */
const Kept = Type.Object({ transaction: Type.String(), to: Type.String() }, strict);
/** What goes from the control plane to the gateway by way of the browser's address, once. */
const Code = Type.Object(
  {
    id: Type.String(),
    signIn: Type.String(),
    device: Type.String(),
    thumbprint: Type.String(),
    host: Type.String(),
    to: Type.String(),
    maxAgeSeconds: Type.Integer(),
    expiresAt: Type.Integer(),
  },
  strict,
);
/** What the browser keeps at the application's host. */
const Cookie = Type.Object(
  { signIn: Type.String(), device: Type.String(), thumbprint: Type.String(), host: Type.String() },
  strict,
);
const [keptShape, codeShape, cookieShape] = [Compile(Kept), Compile(Code), Compile(Cookie)];

const codeSeconds = 60;
/** Of the 4096 octets that browsers allow a cookie with its name and attributes (RFC 6265, section 6.1). */
const maxCookieCharacters = 3800;
const purposes = { kept: 'browser transaction', code: 'browser code', cookie: 'browser cookie' } as const;

export function createBrowserSignIns(parts: {
  /** Of this control plane, as browsers reach it. */
  readonly url: string;
  readonly signIns: SignIns;
  readonly devices: DeviceSignIns;
  readonly usedCodes: FleetingStore;
  readonly sealer: Sealer;
  readonly state: () => ControlState;
  /** Ports beside 443 where gateways may be reached. */
  readonly gatewayPorts: () => ReadonlySet<string>;
  readonly sessionKey: () => SigningKey;
  readonly isLedgerAway: () => boolean;
  /** What records call a user from now on, where that is not the name. */
  readonly pseudonymOf: (user: string) => Promise<string | undefined>;
  /** Epoch seconds. */
  readonly now: () => number;
}): BrowserSignIns {
  const { signIns, devices, sealer, state, now } = parts;
  const redirectUri = `${parts.url}/v1/sign-in/callback`;
  const mint = async (
    signIn: string,
    { thumbprint, device: id }: BrowserProof,
  ): Promise<BrowserSession | Refusal> => {
    const signedIn = devices.open(id as DeviceId, signIn);
    if (isRefusal(signedIn)) return signedIn;
    // Nobody measured this browser's device: policies that ask for a posture find none.
    const { token } = await signSessionToken(parts.sessionKey(), {
      domain: state().domain,
      device: id as DeviceId,
      thumbprint,
      posture: undefined,
      pseudonym: await parts.pseudonymOf(signedIn.user),
      ...signedIn,
      now: now(),
    });
    return { token };
  };

  const isSameBrowser = (
    one: Pick<BrowserProof, 'device' | 'thumbprint' | 'host'>,
    other: Pick<BrowserProof, 'device' | 'thumbprint' | 'host'>,
  ): boolean => one.device === other.device && one.thumbprint === other.thumbprint && one.host === other.host;

  const redeem = async (code: string, proof: BrowserProof): Promise<BrowserSession | Refusal> => {
    const value = sealer.open(purposes.code, code);
    if (!codeShape.Check(value)) return refuse('sign-in-unknown', 'code not sealed by this organization');
    if (!isSameBrowser(value, proof))
      return refuse(
        'sign-in-unknown',
        `code for ${value.host} on ${value.device}, another certificate or host`,
      );
    if (value.expiresAt <= now()) return refuse('sign-in-expired', `code expired at ${value.expiresAt}`);
    const ttlMs = Math.max(1, value.expiresAt - now()) * 1000;
    if ((await parts.usedCodes.claim(value.id, 'used', ttlMs)) !== undefined)
      return refuse('sign-in-used', 'code used already');
    const minted = await mint(value.signIn, proof);
    if (isRefusal(minted)) return minted;
    const { signIn, device, thumbprint, host, to, maxAgeSeconds } = value;
    const cookie = sealer.seal(purposes.cookie, { signIn, device, thumbprint, host });
    return { token: minted.token, handedOver: { cookie, maxAgeSeconds, to } };
  };

  return {
    async begin({ device }, to, wish) {
      const target = checkTarget(to, state(), parts.gatewayPorts());
      if (isRefusal(target)) return target;
      const begun = await signIns.beginCode(`browser:${device}`, redirectUri, wish);
      if (isRefusal(begun)) return begun;
      const kept = sealer.seal(purposes.kept, { transaction: begun.transaction, to: target.href });
      return { authorizationUrl: begun.authorizationUrl, kept };
    },

    again(kept) {
      const value = sealer.open(purposes.kept, kept);
      if (!keptShape.Check(value)) return undefined;
      return `${parts.url}/v1/sign-in/browser?${new URLSearchParams({ to: value.to, fresh: '1' }).toString()}`;
    },

    async complete({ device, thumbprint }, kept, parameters) {
      const value = sealer.open(purposes.kept, kept);
      if (!keptShape.Check(value))
        return refuse('sign-in-unknown', 'no sign-in of this browser is under way');
      const target = checkTarget(value.to, state(), parts.gatewayPorts());
      if (isRefusal(target)) return target;
      const signedIn = await signIns.complete(`browser:${device}`, value.transaction, parameters);
      if (isRefusal(signedIn)) return signedIn;
      if ('pending' in signedIn) return refuse('sign-in-unknown', 'a device code in a browser');
      const made = devices.accept(device, signedIn);
      if (isRefusal(made)) return made;
      // A browser drops a larger cookie without a word, and would be sent here again and again.
      const cookie = { signIn: made.sealed, device, thumbprint, host: target.hostname };
      if (sealer.seal(purposes.cookie, cookie).length > maxCookieCharacters)
        return refuse('sign-in-claims-too-large', `cookie of more than ${maxCookieCharacters} characters`);
      const code = sealer.seal(purposes.code, {
        id: randomBytes(16).toString('base64url'),
        ...cookie,
        to: target.pathname + target.search,
        maxAgeSeconds: made.session.expiresAt - now(),
        expiresAt: now() + codeSeconds,
      });
      return `${target.origin}${signInPath}?code=${code}`;
    },

    async open(proof) {
      // As for an agent: whoever was revoked or signed out meanwhile would get a token for ten minutes more.
      if (parts.isLedgerAway()) return refuse('store-unavailable', 'ledger away');
      if (proof.kind === 'code') return redeem(proof.value, proof);
      const value = sealer.open(purposes.cookie, proof.value);
      if (!cookieShape.Check(value))
        return refuse('sign-in-required', 'cookie not sealed by this organization');
      if (!isSameBrowser(value, proof))
        return refuse(
          'token-bound-elsewhere',
          `cookie for ${value.host} on ${value.device}, another certificate or host`,
        );
      return mint(value.signIn, proof);
    },
  };
}

/** Only to an http application of ours: a sign-in page that sends browsers anywhere would serve whoever fishes. */
function checkTarget(
  to: string,
  { apps }: Pick<ControlState, 'apps'>,
  ports: ReadonlySet<string>,
): URL | Refusal {
  const target = URL.canParse(to) ? new URL(to) : undefined;
  const isPlain = target?.protocol === 'https:' && target.username === '' && target.password === '';
  if (target === undefined || !isPlain || (target.port !== '' && !ports.has(target.port)))
    return refuse('application-unknown', 'not an address of a gateway');
  for (const { host, protocol } of apps.values())
    if (host === target.hostname && protocol === 'http') return target;
  return refuse('application-unknown', `no application at ${target.hostname}`);
}
