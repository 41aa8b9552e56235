import { escapeHtml } from '../contract/escape-html.ts';
import { buildProblem } from '../contract/refusals.ts';
import type { Problem, Refusal, RefusalCode } from '../contract/refusals.ts';
import type { FlowId } from '../domain/ids.ts';

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
): Answer {
  const language = prefersFrench(wishes.acceptLanguage) ? 'fr' : 'en';
  const problem = buildProblem(code, language, {
    flowId,
    ...(publicDetail === undefined ? {} : { detail: publicDetail }),
  });
  const isPage = wantsPage(wishes.accept);
  const body = Buffer.from(isPage ? renderPage(problem, language) : JSON.stringify(problem));
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
  if (isPage) headers.push('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'");
  if (problem.status === 401) {
    const challenge = challengeOf(code, maxAgeSeconds);
    headers.push('www-authenticate', challenge, 'proxy-authenticate', challenge);
  }
  if (problem.status === 503) headers.push('retry-after', '2');
  return { status: problem.status, headers, body };
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

/** Browsers name text/html; programs that would rather have JSON do not. */
const wantsPage = (accept: string | undefined): boolean =>
  accept !== undefined && /(?:^|,)\s*text\/html\s*(?:[;,]|$)/i.test(accept.slice(0, 1024));

/** The first of the two languages that is named; browsers write them in order of preference. */
const prefersFrench = (acceptLanguage: string | undefined): boolean =>
  /\b(fr|en)\b/i.exec((acceptLanguage ?? '').slice(0, 256))?.[1]?.toLowerCase() === 'fr';

const labels = {
  en: { flow: 'Flow', code: 'Code' },
  fr: { flow: 'Flux', code: 'Code' },
} as const;

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto;padding:0 1rem}' +
  'dt{float:left;width:4rem;color:#666}dd{font-family:ui-monospace,monospace}';

function renderPage(problem: Problem, language: 'en' | 'fr'): string {
  const { title, help, status, code, flow_id: flowId = '', detail } = problem;
  const paragraph = (text: string): string => `<p>${escapeHtml(text)}</p>`;
  return `<!doctype html>
<html lang="${language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${style}</style>
<h1>${escapeHtml(title)}</h1>
${paragraph(help)}${detail === undefined ? '' : paragraph(detail)}
<dl><dt>${labels[language].code}<dd>${status} ${escapeHtml(code)}<dt>${labels[language].flow}<dd>${escapeHtml(flowId)}</dl>
</html>
`;
}
