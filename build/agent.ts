import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildExecutable } from './agent/executable.ts';
import { thirdPartyNotice } from './agent/third-party.ts';

/**
 * Makes what laptops get: `npm run build:agent [-- --out DIR]`. One file, `postern-agent`, that needs neither Node nor
 * this folder; and the licenses of what is in it.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const { values: flags } = parseArgs({
  options: { out: { type: 'string', default: join(root, 'dist/agent') } },
});

mkdirSync(flags.out, { recursive: true });
const program = join(flags.out, 'postern-agent');
const packages = await buildExecutable(join(root, 'agent/main.ts'), program);
writeFileSync(join(flags.out, 'THIRD-PARTY.txt'), thirdPartyNotice('postern-agent', packages));
console.log(program);
