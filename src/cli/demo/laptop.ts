import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { ProxyAgent, WebSocket, fetch } from 'undici';
import type { Runner } from './processes.ts';

/** What a program on a laptop sees of an answer. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** An enrolled laptop whose agent is up, and the ways in which programs on it reach applications. */
export interface Laptop {
  readonly user: string;
  readonly device: string;
  readonly stateDirectory: string;
  readonly proxyPort: number;
  /** As a browser does: CONNECT through the agent, then TLS to the application's own name. */
  get(url: string): Promise<Answer>;
  openWebSocket(url: string): Promise<WebSocket>;
  openTunnel(authority: string): Promise<Socket>;
  /** As curl with the device certificate does: straight to the gateway, with a token of one's choice. */
  getDirect(host: string, gatewayPort: number, token: string): Promise<Answer>;
  close(): Promise<void>;
}

export async function enrollLaptop(
  runner: Runner,
  controlUrl: string,
  stateDirectory: string,
  user: string,
): Promise<Laptop> {
  const created = await runner.run('postern', ['enroll-token', 'create', '--user', user, '-o', 'json']);
  const { token } = JSON.parse(created) as { token: string };
  await runner.run('postern-agent', ['enroll', controlUrl, token, '--state', stateDirectory]);
  const agent = await runner.start('postern-agent', ['up', '--state', stateDirectory, '--proxy-port', '0']);
  const proxyPort = Number(/127\.0\.0\.1:(\d+)/.exec(agent.ready)?.[1]);
  if (!Number.isInteger(proxyPort)) throw new Error(`the agent did not name its proxy: ${agent.ready}`);

  const [certificate, key, ca] = await Promise.all(
    ['device.crt', 'device.key', 'ca.crt'].map((name) => readFile(join(stateDirectory, name), 'utf8')),
  );
  if (certificate === undefined || key === undefined || ca === undefined) throw new TypeError('three files');
  const device = /\/device\/([^/\s,]+)/.exec(new X509Certificate(certificate).subjectAltName ?? '')?.[1];
  if (device === undefined) throw new Error('the device certificate names no device');
  const throughAgent = new ProxyAgent({ uri: `http://127.0.0.1:${proxyPort}`, requestTls: { ca } });

  return {
    user,
    device,
    stateDirectory,
    proxyPort,
    async get(url) {
      const response = await fetch(url, { dispatcher: throughAgent });
      return { status: response.status, body: await response.text() };
    },
    async openWebSocket(url) {
      const socket = new WebSocket(url, { dispatcher: throughAgent });
      await new Promise((resolve, reject) => {
        socket.addEventListener('message', resolve, { once: true });
        socket.addEventListener('error', (event) => reject(event.error), { once: true });
        socket.addEventListener('close', (event) => reject(new Error(`closed with ${event.code}`)), {
          once: true,
        });
      });
      return socket;
    },
    async openTunnel(authority) {
      const request = httpRequest({ host: '127.0.0.1', port: proxyPort, method: 'CONNECT', path: authority });
      request.end();
      const [response, socket, head] = (await once(request, 'connect')) as [
        { statusCode: number },
        Socket,
        Buffer,
      ];
      if (response.statusCode !== 200) throw new Error(`CONNECT answered ${response.statusCode}`);
      if (head.length > 0) socket.unshift(head);
      return socket;
    },
    async getDirect(host, gatewayPort, token) {
      const request = httpsRequest({
        host: '127.0.0.1',
        port: gatewayPort,
        servername: host,
        path: '/',
        headers: { host: `${host}:${gatewayPort}`, 'proxy-authorization': `Bearer ${token}` },
        cert: certificate,
        key,
        ca,
        agent: false,
      });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      let body = '';
      for await (const chunk of response) body += String(chunk);
      return { status: response.statusCode ?? 0, body };
    },
    async close() {
      await throughAgent.destroy();
      await agent.stop();
    },
  };
}
