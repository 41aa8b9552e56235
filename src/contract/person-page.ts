import { escapeHtml } from './escape-html.ts';
import { style } from './page-style.ts';

/** The first of the two languages that is named; browsers write them in order of preference. */
export const prefersFrench = (acceptLanguage: string | undefined): boolean =>
  /\b(fr|en)\b/i.exec((acceptLanguage ?? '').slice(0, 256))?.[1]?.toLowerCase() === 'fr';

/** How it stands: a colour beside the title. */
export type Mood = 'good' | 'wait' | 'bad';

/** The frame of every page of ours that a person reads in a browser. `body` and `head` are HTML. */
export const framePage = (page: {
  readonly language: 'en' | 'fr';
  readonly title: string;
  readonly body: string;
  readonly head?: string;
}): string => `<!doctype html>
<html lang="${page.language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
${page.head ?? ''}<title>${escapeHtml(page.title)}</title><style>${style}</style>
<main>${page.body}</main></html>
`;

/** A page that says one thing. `body` is HTML. */
export const renderPage = ({
  language,
  title,
  body,
  mood,
}: {
  readonly language: 'en' | 'fr';
  readonly title: string;
  readonly body: string;
  readonly mood?: Mood;
}): string =>
  framePage({
    language,
    title,
    body:
      `<header>Postern</header><section class="hero${mood === undefined ? '' : ` ${mood}`}">` +
      `<h1>${escapeHtml(title)}</h1>\n${body}</section>`,
  });

/** A paragraph of plain text, in which \`this\` is a command. */
export const paragraph = (text: string): string =>
  `<p>${escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')}</p>`;
