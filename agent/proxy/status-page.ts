import { escapeHtml } from '../../src/contract/escape-html.ts';
import type { Language } from '../language.ts';
import { statusRows } from '../status-rows.ts';
import type { AgentStatus } from '../status.ts';

/** The status for a browser: text in a table, no script, no form. */
export function buildStatusPage(status: AgentStatus, language: Language): string {
  const rows = statusRows(status, language).map(
    ([label, text]) => `<tr><th align="left">${escapeHtml(label)}</th><td>${escapeHtml(text)}</td></tr>`,
  );
  return (
    `<!doctype html><html lang="${language}"><meta charset="utf-8"><title>Postern</title>` +
    `<h1>Postern</h1><table>${rows.join('')}</table></html>\n`
  );
}
