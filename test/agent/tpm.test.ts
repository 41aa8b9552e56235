import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { statePaths } from '../../agent/state/state-directory.ts';
import type { StatePaths } from '../../agent/state/state-directory.ts';
import { formatEnrollmentToken } from '../../src/contract/enrollment-token.ts';
import { issueTo, thumbprintOf } from './lab/control-server.ts';
import { ask, connectThrough, readUntil } from './lab/proxy-client.ts';
import { startTpm, tpmMissing } from './lab/tpm.ts';
import type { LabTpm } from './lab/tpm.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

// Each starts several processes, twice where the key is in the TPM, and a busy machine takes its time.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 90_000 });
const missing = tpmMissing();
const main = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const grants = 'grants.apps.example.org';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe.skipIf(missing !== '')(
  `a device key in a TPM 2.0${missing === '' ? '' : ` [skipped: ${missing}]`}`,
  () => {
    let world: World;
    let tpm: LabTpm;
    let parent: string;
    let paths: StatePaths;
    let running: ChildProcess[];

    beforeEach(async () => {
      [world, tpm, parent] = await Promise.all([
        makeWorld(),
        startTpm(),
        mkdtemp(join(tmpdir(), 'postern-tpm-test-')),
      ]);
      running = [];
      paths = statePaths(join(parent, 'state'));
      world.gateway.apps.set(grants, (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('grants here');
      });
    });
    afterEach(async () => {
      for (const child of running) await stop(child, 'SIGKILL');
      await Promise.all([world.close(), tpm.remove()]);
      await rm(parent, { recursive: true, force: true });
    });

    const run = (args: readonly string[], environment = tpm.environment): Promise<Ended> =>
      new Promise((resolve) => {
        const env = { POSTERN_AGENT_STATE: paths.directory, ...environment };
        execFile(process.execPath, [main, ...args], { env }, (error, out, err) => {
          tpm.flush();
          resolve({ code: error === null ? 0 : Number(error.code), out, err });
        });
      });
    const token = (): string =>
      formatEnrollmentToken({
        rootFingerprint: world.organization.rootFingerprint,
        id: randomBytes(12).toString('base64url'),
        secret: randomBytes(32).toString('base64url'),
      });
    const enroll = (...more: string[]): Promise<Ended> =>
      run(['enroll', world.control.url, token(), '--proxy-port', '0', ...more]);

    /** The agent in the foreground, once it says `ready`. */
    async function up(...args: string[]): Promise<{ child: ChildProcess; port: number; err: () => string }> {
      const child = spawn(process.execPath, [main, 'up', ...args], {
        env: { POSTERN_AGENT_STATE: paths.directory, ...tpm.environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      running.push(child);
      let err = '';
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      const exited = once(child, 'exit').then(() => Promise.reject(new Error(err)));
      const [ready] = (await Promise.race([
        once(createInterface({ input: child.stdout }), 'line'),
        exited,
      ])) as [string];
      exited.catch(() => undefined);
      return { child, port: Number(ready.split(':').at(-1)), err: () => err };
    }
    async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<unknown> {
      if (child.exitCode !== null || child.signalCode !== null) return undefined;
      const exited = once(child, 'exit');
      child.kill(signal);
      return exited;
    }

    it('is made there, proves the laptop in each handshake, also after a restart, and is gone after `leave`', async () => {
      expect(await enroll('--key', 'tpm')).toEqual({
        code: 0,
        out: expect.stringMatching(
          /^Enrolled as device [^]*\nIts key is in the TPM of this machine and never/,
        ),
        err: '',
      });
      const key = readFileSync(paths.key, 'utf8');
      expect(key).toMatch(/^-----BEGIN TSS2 PRIVATE KEY-----\n/);
      expect(() => createPrivateKey(key)).toThrow();
      for (let start = 0; start < 2; start += 1) {
        const { child, port, err } = await up();
        expect((await ask(port, `http://${grants}/`)).body).toBe('grants here');
        expect(await stop(child)).toEqual([0, null]);
        expect(err()).not.toMatch(/tpm|esys/i);
        tpm.flush();
      }
      const shown = [...world.control.tokens.values()].map(({ thumbprint }) => thumbprint);
      expect(new Set(shown)).toEqual(new Set([thumbprintOf(readFileSync(paths.certificate, 'utf8'))]));
      expect((await run(['leave'])).code).toBe(0);
      const told = world.control.requests.find(({ path }) => path === '/v1/device/leave');
      expect(told?.thumbprint).toBe([...shown][0]);
      expect(existsSync(paths.directory)).toBe(false);
    });

    it('opens the session token that was kept, for a start while the control plane is away', async () => {
      await enroll('--key', 'tpm');
      const first = await up();
      expect((await ask(first.port, `http://${grants}/`)).body).toBe('grants here');
      await stop(first.child);
      tpm.flush();
      const [token = ''] = world.control.tokens.keys();
      expect(readFileSync(paths.cache, 'utf8')).not.toContain(token);
      await world.control.close();
      const second = await up();
      expect((await ask(second.port, `http://${grants}/`)).body).toBe('grants here');
      const shown = world.gateway.requests.flatMap(({ headers }) => headers['proxy-authorization'] ?? []);
      expect(new Set(shown)).toEqual(new Set([`Bearer ${token}`]));
    });

    it('stays where it is when the certificate is renewed, and no flow notices', async () => {
      const fiveDaysAgo = new Date(Date.now() - 5 * 86_400_000);
      world.control.instead.set('/v1/enroll', ({ body }) =>
        issueTo(world.organization, body, 'd-laptop', { now: fiveDaysAgo }),
      );
      // Not before there is a flow.
      const isOpen = Promise.withResolvers<void>();
      world.control.instead.set('/v1/device/renew', async ({ body }) => {
        await isOpen.promise;
        const { certificate, notAfter } = await issueTo(world.organization, body, 'd-laptop');
        return { certificate, notAfter };
      });
      expect((await enroll('--key', 'auto')).out).toContain('in the TPM');
      const [key, before] = [paths.key, paths.certificate].map((path) => readFileSync(path, 'utf8'));
      const ledger = 'ledger.apps.example.org:5432';
      world.gateway.tunnels.set(ledger, await world.serve((socket) => socket.pipe(socket)));
      const { port } = await up();
      const { socket } = await connectThrough(port, ledger);
      isOpen.resolve();
      await world.gateway.session(1);
      const after = await vi.waitUntil(() => {
        const now = readFileSync(paths.certificate, 'utf8');
        return now === before ? undefined : now;
      });
      expect(readFileSync(paths.key, 'utf8')).toBe(key);
      socket.write('still here;');
      expect(await readUntil(socket, ';')).toBe('still here;');
      expect((await ask(port, `http://${grants}/`)).body).toBe('grants here');
      expect((await world.control.request('/v1/device/renew')).thumbprint).toBe(thumbprintOf(before ?? ''));
      const last = world.gateway.requests.findLast(({ headers }) => headers[':authority'] === grants);
      // By a token for the new certificate, of which that session was shown no other.
      const tokens = world.gateway.requests.flatMap(({ headers, session }) =>
        session === 1 ? (headers['proxy-authorization'] ?? []) : [],
      );
      const thumbprints = tokens.map(
        (token) => world.control.tokens.get(token.replace('Bearer ', ''))?.thumbprint,
      );
      expect([last?.session, new Set(thumbprints)]).toEqual([1, new Set([thumbprintOf(after)])]);
      socket.destroy();
    });

    it('is of no use on a copy of the disk in another machine, which asks nobody anything and says why', async () => {
      expect((await enroll('--key', 'tpm')).code).toBe(0);
      const copy = join(parent, 'copy');
      cpSync(paths.directory, copy, { recursive: true });
      const other = await startTpm();
      const asked = world.control.requests.length;
      const { code, err } = await run(['up', '--state', copy], other.environment);
      expect([code, err]).toEqual([2, expect.stringContaining('belongs to another TPM')]);
      expect([world.control.requests.length, world.gateway.sessions.length]).toEqual([asked, 0]);
      await other.remove();
      const gone = await run(['token'], other.environment);
      expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('does not answer')]);
      // Where it was, it works.
      expect((await run(['token'])).code).toBe(0);
    });

    it('is found again by a running agent whose TPM was away and forgot what was loaded', async () => {
      await enroll('--key', 'tpm');
      const { child } = await up();
      await tpm.stop();
      await world.gateway.crash();
      await world.gateway.restart();
      const status = await vi.waitUntil(
        async () => {
          const { out } = await run(['status', '-o', 'json']);
          return out.includes('key-unusable') ? out : undefined;
        },
        { timeout: 250_000 },
      );
      expect(JSON.parse(status)).toMatchObject({ state: 'key-unusable' });
      await tpm.start();
      // The same process begins anew, without whoever started it noticing.
      const again = createInterface({ input: child.stdout as NodeJS.ReadableStream });
      const [line] = (await once(again, 'line')) as [string];
      expect(line).toMatch(/^ready /);
      expect((await ask(Number(line.split(':').at(-1)), `http://${grants}/`)).body).toBe('grants here');
    });

    it('is wanted in vain: nothing is sent or kept, and the sentence says what to do', async () => {
      const none = { TPM2OPENSSL_TCTI: `swtpm:path=${join(parent, 'none')}` };
      for (const place of ['tpm', 'auto']) {
        const { code, err } = await run(['enroll', world.control.url, token(), '--key', place], none);
        expect([code, err]).toEqual([1, expect.stringContaining('`enroll --key file`')]);
      }
      const wrong = await enroll('--key', 'usb');
      expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('auto, tpm, file')]);
      expect(world.control.requests).toEqual([]);
      expect(readdirSync(paths.directory)).toEqual([]);
      expect((await enroll('--key', 'file')).out).not.toContain('TPM');
      expect(readFileSync(paths.key, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    });

    it('is asked for by the fleet’s file, and a file of it that is damaged is named', async () => {
      const [fleet, file] = [join(parent, 'fleet.yaml'), join(parent, 'enrollment-token')];
      writeFileSync(file, token(), { mode: 0o600 });
      writeFileSync(
        fleet,
        `control: ${world.control.url}\nenrollmentTokenFile: ${file}\nproxyPort: 0\nkey: tpm\n`,
      );
      const { child, port } = await up('--config', fleet);
      expect((await ask(port, `http://${grants}/`)).body).toBe('grants here');
      await stop(child);
      expect(readFileSync(paths.key, 'utf8')).toContain('TSS2');
      tpm.flush();
      truncateSync(paths.key, 200);
      const { code, err } = await run(['up', '--config', fleet]);
      expect([code, err]).toEqual([2, expect.stringContaining(`${paths.key} is damaged`)]);
    });
  },
);
