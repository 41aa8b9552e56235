import { rootCertificates } from 'node:tls';
import type { CustomFetch } from 'openid-client';
import { Agent, fetch } from 'undici';

/** Answers of a provider are small; what is larger is given up. */
const maxAnswerBytes = 1_048_576;

/** How the control plane speaks to the identity provider: HTTPS by itself, bounded in size and time, no redirects. */
export function createProviderFetch(options: {
  readonly authoritiesPem: string | undefined;
  readonly timeoutMs: number;
}): { readonly fetch: CustomFetch; close(): Promise<void> } {
  const { authoritiesPem, timeoutMs } = options;
  const agent = new Agent({
    connect: {
      timeout: timeoutMs,
      ...(authoritiesPem === undefined ? {} : { ca: [...rootCertificates, authoritiesPem] }),
    },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: 10_000,
    maxResponseSize: maxAnswerBytes,
    connections: 16,
  });
  return {
    fetch: async (url, { method, headers, body, signal }) => {
      const answer = await fetch(url, {
        dispatcher: agent,
        redirect: 'manual',
        method,
        headers,
        ...(body === undefined || body === null ? {} : { body: formText(body) }),
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]),
      });
      return answer;
    },
    close: () => agent.close(),
  };
}

/** A form or its text: openid-client sends nothing else. */
function formText(body: unknown): string {
  if (body instanceof URLSearchParams) return body.toString();
  if (typeof body === 'string') return body;
  throw new TypeError('body of a kind that is not sent to providers');
}
