import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { quietArguments } from '../lab/chromium.ts';
import { findFreePort } from '../../src/control/free-port.ts';
import { labApp } from '../lab/gateway.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { ownName, programsMissing, startPostgres, startRedis, startSshd } from '../lab/servers/programs.ts';
import type { LabProgram } from '../lab/servers/programs.ts';
import { connectLaptop } from './lab/real-gateway.ts';
import type { RealGateway } from './lab/real-gateway.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const run = promisify(execFile);
const missing = programsMissing();
const maxBuffer = 16 * 1024 * 1024;

/** Tells the application when its WebSocket has spoken. */
const page = `<!doctype html><title>grants</title><script>
const socket = new WebSocket('wss://' + location.host + '/echo');
socket.onmessage = ({ data }) => fetch('/seen?' + data);
</script>`;

describe.skipIf(missing !== '')(
  `programs as they are, through the agent and a gateway${missing === '' ? '' : ` [skipped: ${missing}]`}`,
  () => {
    let web: LabServer;
    let [sshd, postgres, redis]: LabProgram[] = [];
    let laptop: RealGateway;
    let home: string;
    let port: number;
    let seen: PromiseWithResolvers<string>;

    beforeAll(async () => {
      const answer: RequestListener = ({ url = '', headers }, response) => {
        if (url.startsWith('/seen')) seen.resolve(url);
        response.setHeader('content-type', 'text/html');
        response.end(url === '/page' ? page : `grants for ${String(headers['postern-user'])}`);
      };
      home = await mkdtemp(join(tmpdir(), 'postern-programs-'));
      [web, sshd, postgres, redis, port] = await Promise.all([
        startApplication('grants', answer),
        startSshd(),
        startPostgres(),
        startRedis(),
        findFreePort('127.0.0.1'),
      ]);
      const tcp = (name: string, protocol: 'ssh' | 'postgres' | 'tcp', program: LabProgram) =>
        labApp(name, [`tcp://127.0.0.1:${program.port}`], { protocol, ports: [port] });
      const apps = [
        labApp('grants', [web.url], { ports: [port] }),
        tcp('code', 'ssh', sshd),
        tcp('ledger', 'postgres', postgres),
        tcp('cache', 'tcp', redis),
      ];
      laptop = await connectLaptop(apps, { intercept: 'loopback', resolver: '127.64.0.90:53' });
      await trustAuthority(home, laptop.authorityFile);
      // Its own resolv.conf for programs that know no proxy; what it does not know is refused, and nobody else asked.
      await writeFile(join(home, 'resolv.conf'), 'nameserver 127.64.0.90\noptions timeout:5\n');
      for (;;) {
        const { intercept } = await laptop.agent.status();
        if (intercept?.hosts.length === 4 && intercept.hosts.every(({ ports }) => ports.length === 1)) break;
      }
    });
    afterAll(async () => {
      await laptop?.close();
      web?.close();
      for (const program of [sshd, postgres, redis]) await program?.stop();
      await rm(home, { recursive: true, force: true });
    });

    const host = (name: string): string => `${name}.apps.example.org`;
    const environment = (): NodeJS.ProcessEnv => ({
      HOME: home,
      PATH: '/usr/bin:/bin',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.org',
    });
    /** In a mount namespace whose only name server is the agent's. */
    const inNamespace = (args: readonly string[]): string[] => [
      '--mount',
      '/bin/sh',
      '-c',
      `mount --bind ${home}/resolv.conf /etc/resolv.conf && exec "$@"`,
      'sh',
      ...args,
    ];
    const intercepted = async (...args: string[]): Promise<string> =>
      (await run('/usr/bin/unshare', inNamespace(args), { env: environment(), timeout: 60_000, maxBuffer }))
        .stdout;
    const plainly = async (program: string, ...args: string[]): Promise<string> =>
      (await run(program, args, { env: environment(), timeout: 60_000, maxBuffer })).stdout;

    it('curl: by name alone, by HTTP proxy and by SOCKS, and not for another name', async () => {
      const url = `https://${host('grants')}:${port}/`;
      const curl = [
        '/usr/bin/curl',
        '--silent',
        '--show-error',
        '--max-time',
        '30',
        '--cacert',
        laptop.authorityFile,
      ];
      const [program = '', ...args] = curl;
      const proxy = `127.0.0.1:${laptop.agent.port}`;
      expect([
        await intercepted(...curl, url),
        await plainly(program, ...args, '--proxy', `http://${proxy}`, url),
        await plainly(program, ...args, '--proxy', `socks5h://${proxy}`, url),
      ]).toEqual(Array.from({ length: 3 }, () => 'grants for alice@example.org'));
      await expect(intercepted(...curl, 'https://www.example.com/')).rejects.toThrow(
        'Could not resolve host',
      );
    });

    it('a name of somebody else that was made to lead to an application: refused by the gateway', async () => {
      const { intercept } = await laptop.agent.status();
      const address = intercept?.hosts.find((one) => one.host === host('grants'))?.address ?? '';
      const rebound = ['--resolve', `evil.example:${port}:${address}`, `https://evil.example:${port}/`];
      // As a browser would not: without a look at the certificate.
      await expect(
        plainly('/usr/bin/curl', '--silent', '--show-error', '--insecure', ...rebound),
      ).rejects.toThrow('curl: (');
      const own = `https://${host('grants')}:${port}/`;
      const named = ['--header', `Host: evil.example:${port}`, own];
      const answer = await intercepted(
        '/usr/bin/curl',
        '--silent',
        '--cacert',
        laptop.authorityFile,
        ...named,
      );
      expect(JSON.parse(answer)).toMatchObject({
        code: expect.stringMatching(/^(authority-mismatch|server-name-unknown|application-unknown)$/),
      });
    });

    it('git over SSH: clones and pushes, by name alone and through SOCKS', async () => {
      const bare = join(home, 'project.git');
      await plainly('/usr/bin/git', 'init', '--quiet', '--bare', '--initial-branch=main', bare);
      const key = `/usr/bin/ssh -i ${sshd?.directory}/key -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=${home}/known`;
      const url = `ssh://${ownName}@${host('code')}:${port}${bare}`;
      const first = join(home, 'first');
      const git = ['/usr/bin/git', '-c', `core.sshCommand=${key}`];
      await intercepted(...git, 'clone', '--quiet', url, first);
      // More than fits any window on the way, and not to be compressed.
      const big = randomBytes(8_000_000);
      await writeFile(join(first, 'big'), big);
      await plainly('/usr/bin/git', '-C', first, 'add', 'big');
      await plainly('/usr/bin/git', '-C', first, 'commit', '--quiet', '-m', 'big');
      await intercepted(...git, '-C', first, 'push', '--quiet', 'origin', 'HEAD:main');
      const socks = `${key} -o 'ProxyCommand=/usr/bin/nc -X 5 -x 127.0.0.1:${laptop.agent.port} %h %p'`;
      const second = join(home, 'second');
      await plainly(
        '/usr/bin/git',
        '-c',
        `core.sshCommand=${socks}`,
        'clone',
        '--quiet',
        '--branch=main',
        url,
        second,
      );
      expect((await readFile(join(second, 'big'))).equals(big)).toBe(true);
    });

    it('psql: queries, and copies more than a megabyte in and out', async () => {
      const psql = (sql: string): Promise<string> =>
        intercepted(
          '/usr/bin/psql',
          '-h',
          host('ledger'),
          '-p',
          String(port),
          '-U',
          'alice',
          '-d',
          'postgres',
          '-Atc',
          sql,
        );
      expect(await psql('select current_user, 6 * 7')).toBe('alice|42\n');
      expect(await psql("select sum(length(repeat('x', 1000))) from generate_series(1, 3000)")).toBe(
        '3000000\n',
      );
      expect((await psql("select repeat('x', 1000) from generate_series(1, 3000)")).length).toBe(3_003_000);
    });

    it('redis-cli: sets, gets, and hears what is published', async () => {
      const cli = (...args: string[]): string[] => [
        '/usr/bin/redis-cli',
        '-h',
        host('cache'),
        '-p',
        String(port),
        ...args,
      ];
      expect([await intercepted(...cli('set', 'a', 'b')), await intercepted(...cli('get', 'a'))]).toEqual([
        'OK\n',
        'b\n',
      ]);
      const listener = spawn('/usr/bin/unshare', inNamespace(cli('subscribe', 'news')), {
        env: environment(),
      });
      let heard = '';
      const published = Promise.withResolvers<void>();
      const subscribed = Promise.withResolvers<void>();
      listener.stdout.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
        if (heard.includes('subscribe\n')) subscribed.resolve();
        if (heard.includes('extra\n')) published.resolve();
      });
      await subscribed.promise;
      await plainly('/usr/bin/redis-cli', '-p', String(redis?.port), 'publish', 'news', 'extra');
      await published.promise;
      listener.kill('SIGKILL');
    });

    it.each([['by its proxy script'], ['by name alone']])(
      'Chromium: an HTTPS page and its WebSocket, %s',
      async (way) => {
        const profile = join(home, `profile-${way.length}`);
        seen = Promise.withResolvers();
        const chromium = ['/usr/bin/chromium', ...quietArguments(profile)];
        const url = `https://${host('grants')}:${port}/page`;
        const script = `--proxy-pac-url=http://127.0.0.1:${laptop.agent.port}/proxy.pac`;
        const args =
          way === 'by its proxy script'
            ? ['--', ...chromium, script, url]
            : inNamespace([...chromium, '--no-proxy-server', url]);
        const browser = spawn('/usr/bin/unshare', args, {
          env: environment(),
          stdio: 'ignore',
          detached: true,
        });
        try {
          expect(await seen.promise).toBe('/seen?welcome');
        } finally {
          // With its children, which it does not take along.
          if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
        }
      },
    );
  },
);

/** The store that Chromium on Linux reads. */
async function trustAuthority(home: string, file: string): Promise<void> {
  const store = join(home, '.pki', 'nssdb');
  await mkdir(store, { recursive: true });
  const certutil = (...args: string[]): void =>
    void execFileSync('/usr/bin/certutil', ['-d', `sql:${store}`, ...args]);
  certutil('-N', '--empty-password');
  certutil('-A', '-n', 'authority', '-t', 'C,,', '-i', file);
}
