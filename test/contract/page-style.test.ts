import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { buildSignInPage } from '../../agent/page/sign-in-page.ts';
import { buildWhyPage } from '../../agent/page/status-page.ts';
import { formPolicy, pagePolicy } from '../../src/contract/page-style.ts';
import { paragraph, renderPage } from '../../src/contract/person-page.ts';
import { renderProblemPage } from '../../src/contract/problem-page.ts';
import { buildProblem } from '../../src/contract/refusals.ts';

const flowId = '0198c7c2-0000-7000-8000-000000000000';
const problem = buildProblem('denied', 'en', { flowId });
const pages: readonly [who: string, page: string, policy: string][] = [
  ['a refusal of the gateway', renderProblemPage(problem, 'en'), pagePolicy],
  ['a refusal with a way to sign in', renderProblemPage(problem, 'fr', 'https://x.example/'), pagePolicy],
  ['one of the control plane', renderPage({ language: 'fr', title: 'T', body: paragraph('x') }), pagePolicy],
  ['the way to sign in', buildSignInPage({ url: 'https://login.example.org/' }, 'en'), formPolicy],
  ['the walk to an application', buildWhyPage({ asked: 'grants', ok: true, steps: [] }, 'en'), formPolicy],
];

it.each(pages)('the one style is all that the policy of %s lets in', (_who, page, policy) => {
  const [, style = ''] = /<style>([^<]+)<\/style>/.exec(page) ?? [];
  expect(policy).toContain(`style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`);
  expect(page).not.toMatch(/<script|<img|<iframe|<link|@import|url\(|\son\w+=|\sstyle=/i);
  expect(page).toMatch(/^<!doctype html>\s*<html lang="(en|fr)">.*<main>.*<\/main><\/html>\n$/s);
});

it('names each class that a page uses', () => {
  const [, style = ''] = /<style>([^<]+)<\/style>/.exec(pages[0]?.[1] ?? '') ?? [];
  const used = pages.flatMap(([, page]) => [...page.matchAll(/class="([^"]+)"/g)]);
  for (const [, names = ''] of used) for (const name of names.split(' ')) expect(style).toContain(`.${name}`);
});
