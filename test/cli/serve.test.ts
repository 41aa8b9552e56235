import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

let made: Installation;
let server: ChildProcess | undefined;
afterEach(async () => {
  if (server !== undefined && server.exitCode === null && server.signalCode === null) {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  await made.remove();
});

async function serve(): Promise<{ line: string; portOf: (what: string) => number }> {
  server = spawn(process.execPath, [program, 'serve', '--config', made.configFile, '--workers', '2'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (server.stdout === null) throw new TypeError('no output');
  const lines = createInterface({ input: server.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  return { line, portOf: (what) => Number(new RegExp(`${what}=\\S+?:(\\d+)(?: |$)`).exec(line)?.[1]) };
}

/** What the gateway does with a handshake: lets it be, or ends it. */
async function handshake(
  port: number,
  client: { cert?: string; key?: string },
): Promise<'accepted' | 'refused'> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'gateway.example.org',
    ca: made.rootPem,
    ALPNProtocols: ['http/1.1'],
    ...client,
  });
  socket.on('error', () => undefined);
  // With TLS 1.3 the client is done before the server has judged its certificate: only an answer tells.
  socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: gateway.example.org\r\n\r\n'));
  const answered = new Promise<'accepted'>((resolve) => socket.once('data', () => resolve('accepted')));
  const ended = new Promise<'refused'>((resolve) => socket.once('close', () => resolve('refused')));
  try {
    return await Promise.race([answered, ended]);
  } finally {
    socket.destroy();
  }
}

it('brings the whole server up, lets only enrolled devices shake hands, enforces a revocation in every worker, and drains to 0', async () => {
  made = await makeInstallation();
  const { line, portOf } = await serve();
  expect(line).toMatch(
    /^ready gateway=https:\/\/127\.0\.0\.1:\d+ control=https:\/\/127\.0\.0\.1:\d+ operator=http:\/\/127\.0\.0\.1:\d+ workers=2$/,
  );
  const [gateway, control, operator] = [portOf('gateway'), portOf('control'), portOf('operator')];
  const readiness = await fetch(`http://127.0.0.1:${operator}/readyz`);
  expect(await readiness.json()).toEqual({ ready: true, waitingFor: [] });

  const { body: token } = await made.api(control, 'POST', '/v1/enrollment-tokens', {
    user: 'alice@example.org',
  });
  const { privateKeyPem: key, csrPem: csr } = await createKeyAndRequest();
  const { body: enrolled } = await made.api(control, 'POST', '/v1/enroll', { token: token.token, csr });
  const client = { cert: String(enrolled.certificate), key };
  expect(await handshake(gateway, client)).toBe('accepted');
  expect(await handshake(gateway, {})).toBe('refused');

  const { status, body } = await made.api(control, 'POST', `/v1/devices/${enrolled.device}/state`, {
    state: 'revoked',
    reason: 'stolen',
  });
  expect({ status, pending: body.workersPending }).toEqual({ status: 200, pending: 0 });
  // Whichever worker is met.
  for (let attempt = 0; attempt < 6; attempt += 1) expect(await handshake(gateway, client)).toBe('refused');

  server?.kill('SIGTERM');
  const [code] = (await once(server as ChildProcess, 'exit')) as [number | null];
  expect(code).toBe(0);
});

it('ends with 2 and a sentence when the port of the API is taken', async () => {
  made = await makeInstallation();
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const settings = await readFile(made.configFile, 'utf8');
  await writeFile(made.configFile, settings.replace(/(control:[\s\S]*?port: )0/, `$1${port}`));
  server = spawn(process.execPath, [program, 'serve', '--config', made.configFile, '--workers', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let err = '';
  let out = '';
  server.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  server.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(server, 'close')) as [number | null];
  taken.close();
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain(`postern: listen EADDRINUSE: address already in use 127.0.0.1:${port}`);
});
