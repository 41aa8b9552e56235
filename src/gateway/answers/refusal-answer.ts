import { pagePolicy } from '../../contract/page-style.ts';
import { prefersFrench } from '../../contract/person-page.ts';
import { renderProblemPage, wantsPage } from '../../contract/problem-page.ts';
import { buildProblem } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';
import type { FlowId } from '../../domain/ids.ts';
import type { WayToSignIn } from './lead-to-sign-in.ts';

export interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

export interface Wishes {
  readonly accept: string | undefined;
  readonly acceptLanguage: string | undefined;
}

/**
 * A refusal as the peer sees it: RFC 9457 problem details, or a page with the same facts for a browser. The detail is
 * for the record; a peer gets it only as `publicDetail`, such as which application failed.
 */
export function answerRefusal(
  { code, maxAgeSeconds }: Refusal,
  flowId: FlowId,
  wishes: Wishes,
  publicDetail?: string,
  /** Where a browser may mend it. */
  way?: WayToSignIn,
): Answer {
  const language = prefersFrench(wishes.acceptLanguage) ? 'fr' : 'en';
  const problem = buildProblem(code, language, {
    flowId,
    ...(publicDetail === undefined ? {} : { detail: publicDetail }),
  });
  const isPage = wantsPage(wishes.accept);
  const body = Buffer.from(isPage ? renderProblemPage(problem, language, way?.url) : JSON.stringify(problem));
  const headers = [
    'content-type',
    isPage ? 'text/html; charset=utf-8' : 'application/problem+json',
    'content-length',
    String(body.length),
    'content-language',
    language,
    'cache-control',
    'no-store',
  ];
  if (isPage) headers.push('content-security-policy', pagePolicy);
  if (problem.status === 401) {
    const challenge = challengeOf(code, maxAgeSeconds);
    headers.push('www-authenticate', challenge, 'proxy-authenticate', challenge);
  }
  if (problem.status === 503) headers.push('retry-after', '2');
  if (way?.by !== 'redirect') return { status: problem.status, headers, body };
  headers.push('location', way.url, 'referrer-policy', 'no-referrer');
  return { status: 303, headers, body };
}

/**
 * RFC 6750, section 3: a token that is missing is not an error, one that is not valid is. RFC 9470, section 3: one that is
 * valid may stem from a sign-in that does not do.
 */
function challengeOf(code: RefusalCode, maxAgeSeconds: number | undefined): string {
  const realm = 'Bearer realm="postern"';
  if (code === 'token-missing') return realm;
  if (code !== 'sign-in-required' && code !== 'mfa-required') return `${realm}, error="invalid_token"`;
  const description =
    code === 'mfa-required' ? 'More than one factor is required' : 'A more recent sign-in is required';
  const maxAge = maxAgeSeconds === undefined ? '' : `, max_age="${maxAgeSeconds}"`;
  return `${realm}, error="insufficient_user_authentication", error_description="${description}"${maxAge}`;
}
