import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BundledPackage } from './bundle.ts';

const isLicenseFile = (name: string): boolean =>
  /^(licen[cs]e|copying|copyright|notice)([.-]|notice|$)/i.test(name);

/**
 * The notice that goes with a program: each package in it with its license in full, as these licenses ask.
 * @throws where a package comes without a license text.
 */
export function thirdPartyNotice(program: string, packages: readonly BundledPackage[]): string {
  const sections = packages.map(({ name, version, license, directory }) => {
    const files = readdirSync(directory).filter(isLicenseFile).sort();
    if (files.length === 0) throw new Error(`${name} comes without a license text`);
    const texts = files.map((file) => readFileSync(join(directory, file), 'utf8').trim());
    return [`${name} ${version} (${license})`, ...texts].join('\n\n');
  });
  const rule = `\n\n${'-'.repeat(78)}\n\n`;
  return [`What others wrote of ${program}, and their licenses.`, ...sections].join(rule) + '\n';
}
