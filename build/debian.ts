import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { buildDebianPackage } from './agent/debian-package.ts';

/**
 * Makes the agent's Debian package of what `npm run build:agent` made: `npm run build:debian [-- --out DIR]`.
 * Needs `dpkg-deb`, and no root.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const { values: flags } = parseArgs({
  options: { out: { type: 'string', default: join(root, 'dist/agent') } },
});

const agent = join(root, 'dist/agent');
console.log(
  await buildDebianPackage({
    program: join(agent, 'postern-agent'),
    notice: join(agent, 'THIRD-PARTY.txt'),
    version: manifest.version,
    out: flags.out,
    compression: 'xz',
  }),
);
