import { execFile, execFileSync, spawn } from 'node:child_process';
import { createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
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
import { makeOrganization } from '../lab/pki.ts';
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
    let vault: TlsServer;
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
      vault = await startVault();
      const tcp = (name: string, protocol: 'ssh' | 'postgres' | 'tcp', program: LabProgram) =>
        labApp(name, [`tcp://127.0.0.1:${program.port}`], { protocol, ports: [port] });
      const apps = [
        labApp('grants', [web.url], { ports: [port] }),
        tcp('code', 'ssh', sshd),
        tcp('ledger', 'postgres', postgres),
        tcp('cache', 'tcp', redis),
        labApp('vault', [`tcp://127.0.0.1:${(vault.address() as AddressInfo).port}`], {
          protocol: 'tls',
          ports: [port],
        }),
      ];
      laptop = await connectLaptop(apps, { intercept: 'loopback', resolver: '127.64.0.90:53' });
      await trustAuthority(home, laptop.authorityFile);
      // Its own resolv.conf for programs that know no proxy; what it does not know is refused, and nobody else asked.
      await writeFile(join(home, 'resolv.conf'), 'nameserver 127.64.0.90\noptions timeout:5\n');
      for (;;) {
        const { intercept } = await laptop.agent.status();
        if (intercept?.hosts.length === 5 && intercept.hosts.every(({ ports }) => ports.length === 1)) break;
      }
    });
    afterAll(async () => {
      await laptop?.close();
      web?.close();
      vault?.close();
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

    /** How its last tunnel to an application ended. */
    const lastTunnel = async (name: string, from: number) => {
      const { facts, outcome } = await laptop.lab.recorder.next(
        ({ kind, facts: { app } }) => kind === 'tunnel-closed' && app?.name === name,
        from,
      );
      return {
        found: facts.inspections?.protocol?.found,
        refusal: outcome?.refusal,
        detail: outcome?.detail?.split(';')[0],
      };
    };
    const sshTo = (name: string): Promise<string> =>
      intercepted(
        '/usr/bin/ssh',
        ...['-i', `${sshd?.directory}/key`, '-p', String(port), '-o', 'BatchMode=yes'],
        ...['-o', 'StrictHostKeyChecking=accept-new', '-o', `UserKnownHostsFile=${home}/known`],
        ...[`${ownName}@${host(name)}`, 'echo here'],
      );
    const psqlTo = (name: string, sslmode: string): Promise<string> =>
      intercepted(
        '/usr/bin/psql',
        ...['-At', '-c', 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'],
        `host=${host(name)} port=${port} user=alice dbname=postgres sslmode=${sslmode}`,
      );
    /** To the vault, as itself or as somebody else. */
    const curlTo = (name: string, as = name): Promise<string> =>
      plainly(
        '/usr/bin/curl',
        ...['--silent', '--show-error', '--insecure', '--max-time', '30'],
        ...['--proxy', `http://127.0.0.1:${laptop.agent.port}`],
        ...['--connect-to', `${host(as)}:${port}:${host(name)}:${port}`],
        `https://${host(as)}:${port}/`,
      );

    it.each([
      ['ssh', 'code', 'ssh', () => sshTo('code'), 'here\n'],
      ['psql without TLS', 'ledger', 'postgres', () => psqlTo('ledger', 'disable'), 'f\n'],
      ['psql with TLS', 'ledger', 'postgres', () => psqlTo('ledger', 'require'), 't\n'],
      ['curl', 'vault', 'tls', () => curlTo('vault'), 'the vault'],
    ])('%s is recognized at an application that speaks that', async (_what, name, found, ask, answer) => {
      const from = laptop.lab.recorder.records.length;
      expect(await ask()).toBe(answer);
      expect(await lastTunnel(name, from)).toEqual({ found: [found] });
    });

    it.each([
      ['ssh', 'vault', 'ssh', () => sshTo('vault'), 'client: no TLS handshake'],
      ['ssh', 'ledger', 'ssh', () => sshTo('ledger'), 'client: no PostgreSQL start'],
      ['psql', 'code', 'postgres', () => psqlTo('code', 'disable'), 'client: no SSH identification'],
      [
        'psql that asks for TLS',
        'vault',
        'postgres',
        () => psqlTo('vault', 'require'),
        'client: no TLS handshake',
      ],
      ['curl', 'ledger', 'tls', () => curlTo('ledger'), 'client: a TLS handshake without ALPN postgresql'],
      [
        'curl for another name',
        'vault',
        'tls',
        () => curlTo('vault', 'grants'),
        'client: a TLS handshake for another server name (grants.apps.example.org)',
      ],
    ])('%s is cut at the application %s, and recorded as %s', async (_what, name, found, ask, detail) => {
      const from = laptop.lab.recorder.records.length;
      await expect(ask()).rejects.toThrow('Command failed');
      expect(await lastTunnel(name, from)).toEqual({
        found: [found, 'unexpected'],
        refusal: 'protocol-unexpected',
        detail,
      });
    });

    it('Chromium is recognized at an application that has TLS of its own', async () => {
      const from = laptop.lab.recorder.records.length;
      const asked = once(vault, 'secureConnection');
      const browser = spawn(
        '/usr/bin/chromium',
        [
          ...quietArguments(join(home, 'profile-vault')),
          '--ignore-certificate-errors',
          `--proxy-pac-url=http://127.0.0.1:${laptop.agent.port}/proxy.pac`,
          `https://${host('vault')}:${port}/`,
        ],
        { env: environment(), stdio: 'ignore', detached: true },
      );
      try {
        await asked;
      } finally {
        if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
      }
      expect(await lastTunnel('vault', from)).toEqual({ found: ['tls'] });
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

/** A service whose TLS is between it and its clients. */
async function startVault(): Promise<TlsServer> {
  const { chainPem, keyPem } = await (await makeOrganization()).issueGateway();
  const server = createTlsServer({ cert: chainPem, key: keyPem }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nthe vault'),
    );
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** The store that Chromium on Linux reads. */
async function trustAuthority(home: string, file: string): Promise<void> {
  const store = join(home, '.pki', 'nssdb');
  await mkdir(store, { recursive: true });
  const certutil = (...args: string[]): void =>
    void execFileSync('/usr/bin/certutil', ['-d', `sql:${store}`, ...args]);
  certutil('-N', '--empty-password');
  certutil('-A', '-n', 'authority', '-t', 'C,,', '-i', file);
}
