import { EventEmitter, on, once } from 'node:events';
import { randomBytes, X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { issueCertificate } from '../../../certs/authority.ts';
import { parseRequest } from '../../../certs/request.ts';
import { spiffeUri } from '../../../certs/spiffe.ts';
import { certificateThumbprint } from '../../../certs/thumbprint.ts';
import type { AgentConfig } from '../../../src/contract/control-api.ts';
import { buildProblem } from '../../../src/contract/refusals.ts';
import type { RefusalCode } from '../../../src/contract/refusals.ts';
import type { LabCertificate, Organization } from '../../lab/pki.ts';

export interface ControlRequest {
  readonly path: string;
  readonly body: unknown;
  /** Of the client certificate, where one was verified. */
  readonly thumbprint: string | undefined;
}

export interface IssuedToken {
  readonly value: string;
  readonly thumbprint: string;
}

type Route = (request: ControlRequest) => Promise<unknown>;

/** A control plane as the agent sees it: real TLS, real certificates, answers that a test can bend. */
export interface ControlServer {
  readonly url: string;
  readonly port: number;
  readonly requests: ControlRequest[];
  /** What was sent by clients that got through the handshake, byte for byte; empty for a mere probe. */
  readonly tokens: Map<string, IssuedToken>;
  config: AgentConfig;
  tokenLifeSeconds: number;
  /** Routes that a test puts in the place of ours. */
  readonly instead: Map<string, Route>;
  /** Refuses a path from now on. */
  refuse(path: string, code: RefusalCode): void;
  /** Resolves with the nth request (from 1) of a path. */
  request(path: string, nth?: number): Promise<ControlRequest>;
  close(): Promise<void>;
}

export class Refusal extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode) {
    super(code);
    this.code = code;
  }
}

export interface ControlServerOptions {
  readonly organization: Organization;
  readonly certificate?: LabCertificate;
  /** Chain to present in place of leaf, authority, root. */
  readonly presentPem?: string;
  readonly port?: number;
}

export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { organization } = options;
  const certificate = options.certificate ?? (await organization.issueControl());
  const events = new EventEmitter().setMaxListeners(100);
  const server = createServer({
    key: certificate.keyPem,
    cert: options.presentPem ?? certificate.bundlePem,
    ca: [organization.rootPem],
    requestCert: true,
    rejectUnauthorized: false,
  });
  const sockets = new Set<TLSSocket>();
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });

  const routes: Record<string, Route> = {
    '/v1/enroll': async ({ body }) => issueTo(organization, body, 'd-laptop'),
    '/v1/device/renew': async ({ body }) => {
      const { certificate: chain, notAfter } = await issueTo(organization, body, 'd-laptop');
      return { certificate: chain, notAfter };
    },
    '/v1/device/token': async ({ thumbprint }) => {
      if (thumbprint === undefined) throw new Refusal('certificate-missing');
      const token = { value: `token-${randomBytes(12).toString('hex')}`, thumbprint };
      control.tokens.set(token.value, token);
      const expiresAt = Math.floor(Date.now() / 1000) + control.tokenLifeSeconds;
      return { token: token.value, expiresAt, expiresInSeconds: control.tokenLifeSeconds };
    },
    '/v1/device/config': async ({ thumbprint }) => {
      if (thumbprint === undefined) throw new Refusal('certificate-missing');
      return control.config;
    },
  };

  server.on('request', (request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const socket = request.socket as TLSSocket;
      const raw = socket.authorized ? socket.getPeerCertificate().raw : undefined;
      const text = Buffer.concat(chunks).toString('utf8');
      const received: ControlRequest = {
        path: request.url ?? '',
        body: text === '' ? undefined : JSON.parse(text),
        thumbprint: raw === undefined ? undefined : certificateThumbprint(raw),
      };
      const answer = (status: number, body: unknown): void => {
        const isProblem = status >= 400;
        response.writeHead(status, {
          'content-type': isProblem ? 'application/problem+json' : 'application/json',
        });
        response.end(JSON.stringify(body));
        control.requests.push(received);
        events.emit('request');
      };
      try {
        const route = control.instead.get(received.path) ?? routes[received.path];
        if (route === undefined) throw new Refusal('not-found');
        answer(200, await route(received));
      } catch (error) {
        const code = error instanceof Refusal ? error.code : 'internal-error';
        const problem = buildProblem(code);
        answer(problem.status, problem);
      }
    })();
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const control: ControlServer = {
    url: `https://127.0.0.1:${port}`,
    port,
    requests: [],
    tokens: new Map(),
    config: {
      domain: organization.domain,
      gateway: { name: `gateway.${organization.domain}`, addresses: [] },
      apps: [],
      certificateNotAfter: 0,
    },
    tokenLifeSeconds: 600,
    instead: new Map(),
    refuse: (path, code) => control.instead.set(path, () => Promise.reject(new Refusal(code))),
    request: async (path, nth = 1) => {
      const changes = on(events, 'request');
      for (;;) {
        const found = control.requests.filter((one) => one.path === path)[nth - 1];
        if (found !== undefined) return found;
        await changes.next();
      }
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return control;
}

/** What `POST /v1/enroll` answers; `publicKeyPem` in place of the request's key where a test wants another. */
export async function issueTo(
  organization: Organization,
  body: unknown,
  device: string,
  options: { publicKeyPem?: string; now?: Date } = {},
): Promise<{
  device: string;
  user: string;
  domain: string;
  certificate: string;
  authority: string;
  notAfter: number;
}> {
  const { publicKeyPem } = await parseRequest((body as { csr: string }).csr);
  const leaf = await issueCertificate(
    organization.authorities.device,
    'device',
    {
      publicKeyPem: options.publicKeyPem ?? publicKeyPem,
      uri: spiffeUri(organization.domain, 'device', device),
      commonName: device,
    },
    options.now ?? new Date(),
  );
  return {
    device,
    user: 'alice@example.org',
    domain: organization.domain,
    certificate: leaf.certificatePem + organization.authorities.device.certificatePem,
    authority: organization.rootPem,
    notAfter: leaf.notAfter,
  };
}

export const thumbprintOf = (pem: string): string => certificateThumbprint(new X509Certificate(pem).raw);
