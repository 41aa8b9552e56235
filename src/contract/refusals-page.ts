import { pathToFileURL } from 'node:url';
import { refusals } from './refusals.ts';
import type { RefusalText } from './refusals.ts';

/**
 * The page docs/refusals.md, rendered from the table of refusals. A test keeps the two equal. To write it anew:
 *
 *     node src/contract/refusals-page.ts > docs/refusals.md
 */
export function renderRefusalsPage(table: Readonly<Record<string, RefusalText>> = refusals): string {
  return [
    '# Refusals',
    '',
    '<!-- Written by: node src/contract/refusals-page.ts > docs/refusals.md. Do not edit. -->',
    '',
    'What a client is told when something is refused, in the order that things are checked. Over HTTP it is a problem',
    'document (RFC 9457, `application/problem+json`) with `code`, `help` and `flow_id`; a browser gets a page with the',
    'same facts, in French where it asks for French. A handshake that is refused has no HTTP answer: the code is then',
    'in the flow record only. Codes are stable: scripts and alerts may rely on them.',
    '',
    ...section(table, 'en', ['Code', 'Status', 'Title', 'What to do']),
    '',
    '# Refus',
    '',
    "Ce qui est dit au client quand quelque chose est refusé, dans l'ordre des vérifications. Les codes sont stables.",
    '',
    ...section(table, 'fr', ['Code', 'Statut', 'Titre', 'Que faire']),
    '',
  ].join('\n');
}

function section(
  table: Readonly<Record<string, RefusalText>>,
  language: 'en' | 'fr',
  heads: readonly string[],
): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(heads),
    row(heads.map(() => '---')),
    ...Object.entries(table).map(([code, { status, title, help }]) =>
      row([`\`${code}\``, String(status), escapeCell(title[language]), escapeCell(help[language])]),
    ),
  ];
}

/** A bar would end the cell, a line break the row. */
const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(renderRefusalsPage());
