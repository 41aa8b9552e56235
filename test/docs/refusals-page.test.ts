import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { refusals } from '../../src/contract/refusals.ts';
import { renderRefusalsPage } from '../../src/contract/refusals-page.ts';

const root = new URL('../../', import.meta.url);
const page = (): Promise<string> => readFile(new URL('docs/refusals.md', root), 'utf8');

test('keeps docs/refusals.md equal to the table; if not: node src/contract/refusals-page.ts > docs/refusals.md', async () => {
  expect(await page()).toBe(renderRefusalsPage());
});

test('is written by the command that the page names', async () => {
  const script = fileURLToPath(new URL('src/contract/refusals-page.ts', root));
  const { stdout } = await promisify(execFile)(process.execPath, [script]);
  expect(stdout).toBe(await page());
});

test('has a row of each code in both languages, with its status', async () => {
  const lines = (await page()).split('\n');
  for (const [code, { status, title, help }] of Object.entries(refusals)) {
    for (const language of ['en', 'fr'] as const) {
      expect(lines).toContain(`| \`${code}\` | ${status} | ${title[language]} | ${help[language]} |`);
    }
  }
  expect(lines.filter((line) => line.startsWith('| `'))).toHaveLength(2 * Object.keys(refusals).length);
});

test('keeps a text with a bar or a line break within its cell', () => {
  const text = { en: 'a|b\nc', fr: 'd' };
  const rendered = renderRefusalsPage({ odd: { status: 400, title: text, help: text } });
  expect(rendered).toContain('| `odd` | 400 | a\\|b c | a\\|b c |\n');
});

test('has a code in kebab-case, an HTTP error status and whole sentences for each refusal', () => {
  for (const [code, { status, title, help }] of Object.entries(refusals)) {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect([code, status >= 400 && status < 600]).toEqual([code, true]);
    for (const language of ['en', 'fr'] as const) {
      expect(title[language]).toMatch(/^\p{Lu}[^.]*$/u);
      expect(help[language]).toMatch(/^\p{Lu}.*\.$/u);
    }
  }
});
