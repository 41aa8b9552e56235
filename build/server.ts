import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * Makes what a server gets: `npm run build:server [-- --out DIR]`. The sources as JavaScript, with the manifest and the
 * lockfile that `npm ci --omit=dev` installs its packages by; then `node src/main.js serve`.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const { values: flags } = parseArgs({
  options: { out: { type: 'string', default: join(root, 'dist/server') } },
});

rmSync(flags.out, { recursive: true, force: true });
mkdirSync(flags.out, { recursive: true });
const compiler = join(root, 'node_modules/typescript/bin/tsc');
execFileSync(
  process.execPath,
  [compiler, '-p', join(root, 'build/tsconfig.server.json'), '--outDir', flags.out],
  {
    stdio: 'inherit',
  },
);
for (const file of ['package-lock.json', 'LICENSE', 'deploy/examples', 'deploy/systemd'])
  cpSync(join(root, file), join(flags.out, file), { recursive: true });
const {
  scripts: _,
  bin: __,
  ...manifest
} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
const bin = { postern: 'src/main.js', 'postern-agent': 'agent/main.js' };
writeFileSync(join(flags.out, 'package.json'), `${JSON.stringify({ ...manifest, bin }, undefined, 2)}\n`);
console.log(flags.out);
