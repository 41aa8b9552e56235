import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { renderPosturePage } from '../../agent/posture/posture-page.ts';
import { postureCriteria, postureFactNames } from '../../src/domain/posture.ts';
import { cedarSchema } from '../../src/policy/schema.ts';

test('keeps docs/posture.md equal to the checks; if not: node agent/posture/posture-page.ts > docs/posture.md', async () => {
  const page = await readFile(new URL('../../docs/posture.md', import.meta.url), 'utf8');
  expect(page).toBe(renderPosturePage());
});

test('names in page and schema each criterion and fact that policies may ask for', () => {
  const page = renderPosturePage();
  for (const name of [...postureCriteria, ...postureFactNames]) {
    expect(page).toContain(`| \`${name}\` |`);
    expect(cedarSchema).toMatch(new RegExp(`  // .+\n  ${name}: (Bool|String),`));
  }
});
