import { escapeHtml } from '../../src/contract/escape-html.ts';
import { renderPage } from '../../src/contract/person-page.ts';
import type { Language } from '../language.ts';
import { statusRows } from '../status-rows.ts';
import type { AgentStatus } from '../status.ts';

/** The status for a browser: text in a table, no script, no form. */
export function buildStatusPage(status: AgentStatus, language: Language): string {
  const rows = statusRows(status, language).map(
    ([label, text]) => `<tr><th scope="row">${escapeHtml(label)}</th><td>${escapeHtml(text)}</td></tr>`,
  );
  const title = language === 'fr' ? 'Cet ordinateur' : 'This laptop';
  return renderPage({ language, title, body: `<table>${rows.join('')}</table>` });
}
