import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPackage } from './bundle.ts';
import type { BundledPackage } from './bundle.ts';

const installed = fileURLToPath(new URL('../../node_modules/node', import.meta.url));

/** The Node that the agent is made with: the one that package.json pins, whichever runs this. */
export interface Runtime {
  readonly program: string;
  /** Of the package for this machine, which brings the licenses of all that Node is made of. */
  readonly package: BundledPackage;
}

/** @throws where `npm ci` did not install it. */
export function findRuntime(): Runtime {
  const program = join(installed, 'bin/node');
  if (!existsSync(program)) throw new Error(`${program} is missing: run \`npm ci\``);
  const nested = join(installed, 'node_modules');
  const places = [nested, dirname(installed)].filter((place) => existsSync(place));
  const found = places.flatMap((place) =>
    readdirSync(place)
      .filter((name) => name === `node-${process.platform}-${process.arch}`)
      .map((name) => join(place, name)),
  );
  const [directory] = found;
  if (directory === undefined) throw new Error(`no package of Node for this machine in ${installed}`);
  const version = execFileSync(program, ['--version'], { encoding: 'utf8' }).trim().slice(1);
  const known = readPackage(directory);
  if (known.version !== version) throw new Error(`${directory} is of Node ${known.version}, not ${version}`);
  return { program, package: { ...known, name: 'Node.js' } };
}
