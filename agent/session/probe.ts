import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { parseProblemText } from '../control/problem.ts';
import type { PeerProblem } from '../control/problem.ts';

export const statusPath = '/.well-known/postern/status';
const probeTimeoutMs = 10_000;
const maxProbeBytes = 65_536;

/** What the gateway says of this session. */
export type ProbeAnswer = { readonly ok: true } | { readonly ok: false; readonly problem: PeerProblem };

/** One request for the gateway itself, on the way that flows take; with a token, that is the session's from then on. */
export function sendProbe(
  open: (headers: OutgoingHttpHeaders) => ClientHttp2Stream,
  name: string,
  token: string | undefined,
): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const stream = open({
      ':method': 'GET',
      ':scheme': 'https',
      ':authority': name,
      ':path': statusPath,
      accept: 'application/json, application/problem+json',
      ...(token === undefined ? {} : { 'proxy-authorization': `Bearer ${token}` }),
    });
    const chunks: Buffer[] = [];
    let status = 0;
    let length = 0;
    const timer = setTimeout(
      () => stream.destroy(new Error('the gateway did not answer in time')),
      probeTimeoutMs,
    );
    stream.once('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxProbeBytes) chunks.push(chunk);
      else stream.destroy(new Error('answer too large'));
    });
    stream.once('error', reject);
    stream.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the gateway closed the connection'));
    });
    stream.once('end', () => {
      if (status === 0) return;
      const text = Buffer.concat(chunks).toString('utf8');
      resolve(status === 200 ? { ok: true } : { ok: false, problem: parseProblemText(status, text) });
    });
  });
}
