import type { BrowserProof } from '../../contract/ipc.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import { signInPath } from '../../contract/session-cookie.ts';
import type { Session } from '../listener/client-connection.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { valueOf } from '../fields/raw-fields.ts';
import type { RequestHead } from '../fields/request-head.ts';
import { untilOnDisk } from '../records/until-on-disk.ts';
import { refuseEnded } from './refuse-ended.ts';

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);
/** A token is replaced this long before its end, so that what lives long does not end with it. */
const renewBeforeSeconds = 60;

/**
 * The session of a browser without an agent: by the code that the control plane sent it here with, or by the cookie that
 * it got for that. Both are opened by the control process, which answers with a session token like any other; that is
 * verified like any other, and remembered for the connection. `no-browser` where the request shows neither.
 */
export function verifyBrowser(
  flow: Flow,
  gateway: Gateway,
): Refusal | undefined | 'no-browser' | Promise<Refusal | undefined> {
  const { exchange, head } = flow;
  const { connection } = exchange;
  const host = connection.appHost;
  if (host === undefined || head === undefined) return 'no-browser';
  const proof = {
    device: connection.certificate.device,
    thumbprint: connection.certificate.thumbprint,
    host,
  };
  if (head.path === signInPath) return redeemCode(flow, gateway, head, proof);
  const { sessionCookie: value } = head;
  if (value === undefined) return 'no-browser';
  const refusal = checkSite(flow, head);
  if (refusal !== undefined) return refusal;
  const known = connection.browser;
  if (known?.raw === value && known.subject.token.expiresAt > gateway.nowSeconds())
    return useBrowser(flow, gateway, known);
  return openOnce(flow, gateway, { ...proof, kind: 'cookie', value });
}

/**
 * Where the browser says that another site is behind a request that may change something, it goes no further. SameSite
 * counts the other applications of the organization as the same site; they are not the same to us.
 */
function checkSite({ exchange }: Flow, { authority }: RequestHead): Refusal | undefined {
  const isUpgrade = exchange.upgrade !== undefined;
  if (safeMethods.has(exchange.method) && !isUpgrade) return undefined;
  const origin = valueOf(exchange.rawHeaders, 'origin');
  const site = valueOf(exchange.rawHeaders, 'sec-fetch-site');
  const isSameOrigin = origin?.toLowerCase() === `https://${authority.toLowerCase()}`;
  // A WebSocket has no Sec-Fetch-Site in every browser, and always an Origin (RFC 6455, section 10.2).
  const passes = isUpgrade || site === undefined ? isSameOrigin : site === 'same-origin';
  return passes && (origin === undefined || isSameOrigin)
    ? undefined
    : refuse('cross-site-request', `${exchange.method} from ${site ?? 'an unknown site'}`);
}

function useBrowser(flow: Flow, gateway: Gateway, { subject }: Session): Refusal | undefined {
  const ended = refuseEnded(subject.token, gateway);
  if (ended === undefined) flow.subject = subject;
  return ended;
}

function openOnce(flow: Flow, gateway: Gateway, proof: BrowserProof): Promise<Refusal | undefined> {
  const { connection } = flow.exchange;
  const raw = `cookie ${proof.value}`;
  // The streams of a new page come together: one question serves all that show the same cookie.
  const running = connection.verifying;
  const result = running?.raw === raw ? running.result : open(flow, gateway, proof);
  if (running?.raw !== raw) {
    connection.verifying = { raw, result };
    void result.finally(() => {
      if (connection.verifying?.result === result) connection.verifying = undefined;
    });
  }
  return result.then((refusal) => {
    const { browser } = connection;
    if (refusal !== undefined || browser === undefined) return refusal ?? refuse('sign-in-required');
    return useBrowser(flow, gateway, browser);
  });
}

async function open(flow: Flow, gateway: Gateway, proof: BrowserProof): Promise<Refusal | undefined> {
  const accepted = await accept(flow, gateway, proof);
  if (accepted !== undefined) return accepted;
  renewInTime(flow, gateway, proof);
  return undefined;
}

async function redeemCode(
  flow: Flow,
  gateway: Gateway,
  { target }: RequestHead,
  proof: Omit<BrowserProof, 'kind' | 'value'>,
): Promise<Refusal | undefined> {
  const value = new URLSearchParams(target.slice(signInPath.length)).get('code') ?? '';
  const refusal = await accept(flow, gateway, { ...proof, kind: 'code', value });
  const { browser } = flow.exchange.connection;
  if (refusal !== undefined || browser === undefined) return refusal ?? refuse('sign-in-required');
  renewInTime(flow, gateway, { ...proof, kind: 'cookie', value: browser.raw });
  return useBrowser(flow, gateway, browser);
}

/** The token is verified as if the browser itself had shown it: the channel that it came over proves nothing. */
async function accept(flow: Flow, gateway: Gateway, proof: BrowserProof): Promise<Refusal | undefined> {
  const { connection } = flow.exchange;
  const { certificate } = connection;
  const session = await gateway.openBrowserSession(proof);
  const token =
    'code' in session
      ? session
      : await gateway.verifyToken(session.token, certificate.thumbprint, gateway.nowSeconds());
  const refusal = 'code' in token ? token : refuseEnded(token, gateway);
  gateway.record.token(flow, refusal);
  if ('code' in token || refusal !== undefined || 'code' in session) return refusal;
  const unrecorded = await untilOnDisk(gateway);
  if (unrecorded !== undefined) return unrecorded;
  const subject = { certificate, token };
  flow.subject = subject;
  flow.handedOver = session.handedOver;
  connection.browser = { raw: session.handedOver?.cookie ?? proof.value, subject };
  gateway.grants.renew(connection, subject);
  return undefined;
}

/** A WebSocket asks for nothing again: while something of the connection lives, its token is replaced in time. */
function renewInTime(flow: Flow, gateway: Gateway, proof: BrowserProof): void {
  const { connection } = flow.exchange;
  const { browser } = connection;
  if (browser === undefined) return;
  const inSeconds = browser.subject.token.expiresAt - gateway.nowSeconds() - renewBeforeSeconds;
  const timer = setTimeout(() => {
    const isWanted = connection.browser === browser && connection.grants.size > 0;
    if (isWanted && !connection.socket.destroyed) void open(flow, gateway, proof).catch(() => undefined);
  }, Math.max(1, inSeconds) * 1000);
  timer.unref();
  connection.socket.once('close', () => clearTimeout(timer));
}
