import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { CoreRuleSet } from '../../contract/ipc.ts';
import type { Settings } from '../../contract/settings.ts';

/** Rules for requests, and the phrases that they look for. */
const ruleFile = /^(?:REQUEST-.*\.conf|.*\.data)$/;
/** Its rules only add up what the others found, and refuse: that is the application's to say. */
const evaluation = /^REQUEST-949-/;

/**
 * Reads the rule files that the settings name; the path is relative to the data directory. That there are none keeps nobody
 * from starting: it concerns the applications that ask for them, whose flows then say so.
 */
export async function readCoreRuleSet({ inspection }: Settings, data: string): Promise<CoreRuleSet> {
  if (inspection === undefined) return { problem: 'postern.yaml has no section inspection' };
  const folder = resolve(data, inspection.coreRuleSet);
  try {
    const names = (await readdir(folder)).filter((name) => ruleFile.test(name) && !evaluation.test(name));
    if (!names.some((name) => name.endsWith('.conf'))) throw new Error('it has no files REQUEST-*.conf');
    const files = await Promise.all(
      // Octets: what is not ASCII in them is looked for as it is.
      names.map(async (name) => [name, await readFile(join(folder, name), 'latin1')] as const),
    );
    return { files: Object.fromEntries(files) };
  } catch (error) {
    return {
      problem: `no rules in ${folder} (${(error as Error).message}): install the package modsecurity-crs, or name their folder as inspection.coreRuleSet in postern.yaml`,
    };
  }
}
