import { readFile, writeFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { loadSettings } from '../../src/control/settings-file.ts';
import { collectFacts } from '../../src/doctor/facts.ts';
import type { Check, Finding } from '../../src/doctor/finding.ts';
import { runChecks } from '../../src/doctor/run-checks.ts';
import type { Installation } from '../control/installation.ts';

/** What one check finds in an installation, as the command runs it. */
export async function find(
  check: Check,
  { configFile }: Pick<Installation, 'configFile'>,
): Promise<Finding[]> {
  const facts = await collectFacts(configFile, loadSettings(configFile), Date.now());
  return (await runChecks([check], facts)).map(({ level, what, how }) =>
    how === undefined ? { level, what } : { level, what, how },
  );
}

/** Levels and first lines, for tests that have no need of the second. */
export const inShort = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, what }) => `${level}: ${what}`);

export async function set(
  { configFile }: Pick<Installation, 'configFile'>,
  path: readonly string[],
  value: unknown,
): Promise<void> {
  const document = parseDocument(await readFile(configFile, 'utf8'));
  document.setIn(path, value);
  await writeFile(configFile, String(document));
}
