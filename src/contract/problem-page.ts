import { escapeHtml } from './escape-html.ts';
import type { Problem } from './refusals.ts';

/** Content-Security-Policy of such a page: it loads nothing, and nobody frames it. */
export const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'";

/** Browsers name text/html; programs that would rather have JSON do not. */
export const wantsPage = (accept: string | undefined): boolean =>
  accept !== undefined && /(?:^|,)\s*text\/html\s*(?:[;,]|$)/i.test(accept.slice(0, 1024));

/** The first of the two languages that is named; browsers write them in order of preference. */
export const prefersFrench = (acceptLanguage: string | undefined): boolean =>
  /\b(fr|en)\b/i.exec((acceptLanguage ?? '').slice(0, 256))?.[1]?.toLowerCase() === 'fr';

const labels = {
  en: { flow: 'Flow', code: 'Code' },
  fr: { flow: 'Flux', code: 'Code' },
} as const;

const style =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto;padding:0 1rem}' +
  'dt{float:left;width:4rem;color:#666}dd{font-family:ui-monospace,monospace}';

/** The facts of a refusal for a person in a browser: no script, nothing from elsewhere. */
export function renderProblemPage(problem: Problem, language: 'en' | 'fr'): string {
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
