import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { makeInstallation } from '../control/installation.ts';

// It starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const unit = readFileSync(new URL('../../deploy/systemd/postern.service', import.meta.url), 'utf8');
const isRoot = process.getuid?.() === 0;
const hasSetpriv = spawnSync('setpriv', ['--version']).status === 0;
const hint = isRoot
  ? hasSetpriv
    ? ''
    : ' (skipped: apt-get install util-linux)'
  : ' (skipped: needs root: sudo npm test)';

/** As the unit lets a server have them, and everything that it starts. */
const capabilities = (/^CapabilityBoundingSet=(.+)$/m.exec(unit)?.[1] ?? '')
  .split(' ')
  .map((name) => `+${name.replace(/^CAP_/, '').toLowerCase()}`);

describe.skipIf(!isRoot || !hasSetpriv)(`the systemd unit${hint}`, () => {
  test('gives root the rights that a server with workers of another user needs, at each start', async () => {
    const made = await makeInstallation();
    onTestFinished(made.remove);
    chmodSync(made.directory, 0o711);
    const document = parseDocument(await readFile(made.configFile, 'utf8'));
    document.set('runAs', document.createNode({ uid: 64_990, gid: 64_990 }));
    await writeFile(made.configFile, String(document));
    for (const start of ['first', 'second']) {
      const server = spawn(
        'setpriv',
        [
          '--inh-caps=-all',
          `--bounding-set=${['-all', ...capabilities].join(',')}`,
          '--no-new-privs',
          ...[process.execPath, program, 'serve', '--config', made.configFile, '--workers', '1'],
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      onTestFinished(() => void server.kill('SIGKILL'));
      let errors = '';
      server.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
      const exit = once(server, 'exit');
      const [line] = (await Promise.race([
        once(createInterface({ input: server.stdout }), 'line'),
        exit.then(() => [`${start} start: ${errors}`]),
      ])) as [string];
      expect(line).toMatch(/^ready /);
      const port = Number(/control=\S+?:(\d+)(?: |$)/.exec(line)?.[1]);
      // Read from files that are the workers'.
      const found = await made.api(port, 'GET', '/v1/flows?limit=5');
      expect([found.status, found.body.flows.length > 0]).toEqual([200, true]);
      server.kill('SIGTERM');
      expect([await exit, errors]).toEqual([[0, null], '']);
    }
  });
});
