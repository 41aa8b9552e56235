import { escapeHtml } from '../../src/contract/escape-html.ts';
import type { Language } from '../language.ts';
import { style } from './style.ts';
import { pageWords } from './words.ts';

/** A page of the agent; `body` and `head` are HTML. */
export const frame = (language: Language, body: string, head = ''): string =>
  `<!doctype html><html lang="${language}"><meta charset="utf-8">` +
  `<meta name="viewport" content="width=device-width,initial-scale=1">${head}` +
  `<title>Postern: ${escapeHtml(pageWords.title[language])}</title><style>${style}</style>` +
  `<main>${body}</main></html>\n`;
