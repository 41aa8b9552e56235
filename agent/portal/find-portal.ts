import { request } from 'node:http';
import { controlAddress } from '../control/control-client.ts';
import type { AgentSettings } from '../state/settings-file.ts';
import { connectVerified, UntrustedPeer } from '../control/verified-connection.ts';

/** A network that wants its own sign-in before it lets anything through. */
export interface Portal {
  /** Where that is done: as the network says it, so nothing to trust, but to show. */
  readonly url: string;
}

export interface PortalProbe {
  /** Origin of the control plane. */
  readonly control: string;
  readonly authorityPem: string;
  /** The plain http address that is asked. */
  readonly url: string;
  /** It is known to answer 204, so that any page there is somebody else's. */
  readonly isEmpty: boolean;
}

/** Without an address in the settings, the control plane's name at port 80 is asked. */
export const buildPortalProbe = (
  { control, portalProbe }: AgentSettings,
  authorityPem: string,
): PortalProbe => ({
  control,
  authorityPem,
  url: portalProbe ?? `http://${new URL(control).hostname}/`,
  isEmpty: portalProbe !== undefined,
});

const limitMs = 4000;
const maxUrlLength = 2000;

interface PlainAnswer {
  readonly status: number;
  readonly location: string | undefined;
}

/**
 * Whether the network answers for others, as hotels and trains do (RFC 8952 calls it a captive portal): a plain request
 * gets a redirect to another host, 511 (RFC 6585), or a page where there should be none. Asked only once nothing passes,
 * for of itself a plain answer proves nothing: an organization may well have a web server at that name. Its redirect
 * to itself is none, and its page counts only where TLS to the control plane is answered by somebody else, too.
 * Never throws; sends nothing but the request line.
 */
export async function findPortal(probe: PortalProbe, signal: AbortSignal): Promise<Portal | undefined> {
  const asked = new URL(probe.url);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const answer = await askPlainly(asked, limit).catch(() => undefined);
  if (answer === undefined) return undefined;
  const { status, location } = answer;
  if (status === 511) return { url: asked.href };
  if (status >= 300 && status < 400) {
    const target = parseLink(location, asked);
    return target === undefined || target.hostname === asked.hostname ? undefined : { url: target.href };
  }
  if (status !== 200) return undefined;
  const isForeign = probe.isEmpty || (await isAnsweredByAnother(probe, signal));
  return isForeign ? { url: asked.href } : undefined;
}

function askPlainly(url: URL, signal: AbortSignal): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    // No agent: no proxy of the environment comes in between, which could be ourselves.
    const outgoing = request(url, { agent: false, signal, maxHeaderSize: 16_384 });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      response.once('error', () => undefined);
      // What the page says is of no interest.
      response.destroy();
      resolve({ status: response.statusCode ?? 0, location: response.headers.location });
    });
    outgoing.end();
  });
}

/** A link that may be shown to be clicked: a web address, and nothing that a browser would run. */
function parseLink(location: string | undefined, base: URL): URL | undefined {
  if (location === undefined || location.length > maxUrlLength) return undefined;
  try {
    const url = new URL(location, base);
    const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
    return isWeb && url.username === '' && url.password === '' ? url : undefined;
  } catch {
    return undefined;
  }
}

async function isAnsweredByAnother(
  { control, authorityPem }: PortalProbe,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const socket = await connectVerified(controlAddress(new URL(control)), {
      authorityPem,
      protocol: 'http/1.1',
      timeoutMs: limitMs,
      signal,
    });
    socket.destroy();
    return false;
  } catch (error) {
    return error instanceof UntrustedPeer;
  }
}
