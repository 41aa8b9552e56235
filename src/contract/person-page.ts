import { escapeHtml } from './escape-html.ts';

/** Content-Security-Policy of these pages: they load nothing, send nothing, and nobody frames them. */
export const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The first of the two languages that is named; browsers write them in order of preference. */
export const prefersFrench = (acceptLanguage: string | undefined): boolean =>
  /\b(fr|en)\b/i.exec((acceptLanguage ?? '').slice(0, 256))?.[1]?.toLowerCase() === 'fr';

const style = [
  ':root{color-scheme:light dark}',
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:8vh auto;padding:0 1.25rem}',
  'header{font-weight:600;opacity:.7}h1{font-size:1.75rem;line-height:1.25;margin:.5rem 0 1rem;text-wrap:balance}',
  'code,dd{font:.9375em/1.6 ui-monospace,monospace;overflow-wrap:anywhere}',
  'dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.5rem;margin-top:2rem;padding-top:1rem;border-top:1px solid #8886}',
  'dt{opacity:.7}dd{margin:0}table{border-collapse:collapse}',
  'th,td{text-align:left;vertical-align:top;padding:.375rem 1.5rem .375rem 0;border-bottom:1px solid #8884;overflow-wrap:anywhere}',
  'th{font-weight:500}li{margin:.375rem 0}',
  '.go{display:inline-block;padding:.625rem 1.25rem;border-radius:.375rem;background:#0b57d0;color:#fff;text-decoration:none}',
  '.go:focus-visible{outline:3px solid #8ab4f8;outline-offset:2px}',
].join('');

/**
 * A page of ours that a person reads in a browser: no script, nothing from elsewhere, as readable on a telephone and in
 * the dark. `body` is HTML.
 */
export const renderPage = (page: {
  readonly language: 'en' | 'fr';
  readonly title: string;
  readonly body: string;
}): string => `<!doctype html>
<html lang="${page.language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title><style>${style}</style>
<header>Postern</header><main>
<h1>${escapeHtml(page.title)}</h1>
${page.body}
</main></html>
`;

/** A paragraph of plain text, in which \`this\` is a command. */
export const paragraph = (text: string): string =>
  `<p>${escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')}</p>`;
