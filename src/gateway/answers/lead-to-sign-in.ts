import { wantsPage } from '../../contract/problem-page.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';
import { signInPath } from '../../contract/session-cookie.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { valueOf } from '../fields/raw-fields.ts';

/** What a sign-in of a browser mends. */
const mended: ReadonlySet<RefusalCode> = new Set([
  'token-missing',
  'token-expired',
  'token-bound-elsewhere',
  'sign-in-required',
  'sign-in-ended',
  'mfa-required',
]);

/** It travels in a cookie and in addresses; who wanted to go further is led to the front door. */
const maxTargetLength = 1024;
/**
 * Who signed in a moment ago and is refused all the same is shown why, with a link: sending them again could go round for
 * ever, and a sign-in that nobody asked for a second factor may be followed at once by an application that does.
 */
const momentSeconds = 120;

export interface WayToSignIn {
  readonly by: 'redirect' | 'link';
  readonly url: string;
}

/**
 * Where a person who opens an application with a browser of their own is sent to sign in: the control plane's page, which
 * leads back here. Undefined for everything else: programs, scripts of a page, images and frames get the refusal.
 */
export function leadToSignIn(flow: Flow, gateway: Gateway, { code }: Refusal): WayToSignIn | undefined {
  const { exchange, head, subject } = flow;
  const url = gateway.settings.signIn?.browserUrl;
  if (url === undefined || head === undefined || !mended.has(code)) return undefined;
  const { connection, tunnel } = exchange;
  const isBrowser =
    tunnel === undefined && connection.appHost !== undefined && connection.session === undefined;
  if (!isBrowser || head.proxyAuthorization !== undefined || head.path === signInPath) return undefined;
  if (!isNavigation(flow)) return undefined;
  const signIn = subject?.token.signIn;
  const startedAt = Number(signIn?.id.split('.')[2] ?? 0);
  const isMomentAgo = signIn !== undefined && gateway.nowSeconds() - startedAt < momentSeconds;
  const target = head.target.length > maxTargetLength ? '/' : head.target;
  const query = new URLSearchParams({ to: `https://${head.authority}${target}` });
  // Signed in, and not as the policy wants it: the provider must not answer from what it remembers.
  if (subject !== undefined) query.set('fresh', '1');
  if (code === 'mfa-required') query.set('mfa', '1');
  return { by: isMomentAgo ? 'link' : 'redirect', url: `${url}/v1/sign-in/browser?${query.toString()}` };
}

function isNavigation({ exchange, head }: Flow): boolean {
  const mode = valueOf(exchange.rawHeaders, 'sec-fetch-mode') ?? 'navigate';
  const destination = valueOf(exchange.rawHeaders, 'sec-fetch-dest') ?? 'document';
  const isPage = mode === 'navigate' && destination === 'document' && wantsPage(head?.accept);
  return isPage && exchange.method === 'GET' && exchange.upgrade === undefined;
}
