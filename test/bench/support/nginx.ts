import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PeerFiles } from './lab-peers.ts';
import { freePort } from './ports.ts';
import { descendants, start } from './processes.ts';
import { cores } from './target.ts';
import type { Target } from './target.ts';

const verifierScript = fileURLToPath(new URL('token-verifier.ts', import.meta.url));

/** nginx that demands a device certificate, asks a verifier about each request and logs each as JSON. */
export async function startNginx(
  program: string,
  directory: string,
  files: PeerFiles,
  upstreamPort: number,
): Promise<Target> {
  const port = await freePort();
  const socket = join(directory, 'verifier.sock');
  const verifier = await start(cores.measured, [process.execPath, verifierScript, files.tokenKey, socket], {
    ready: /ready/,
  });
  const config = join(directory, 'nginx.conf');
  mkdirSync(join(directory, 'nginx'));
  writeFileSync(
    config,
    `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx-error.log warn;
events { worker_connections 16384; }
http {
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/nginx/${kind};`).join('\n  ')}
  log_format json escape=json '{"time":"$msec","client":"$remote_addr","port":"$remote_port","serial":"$ssl_client_serial","tls":"$ssl_protocol","cipher":"$ssl_cipher","method":"$request_method","host":"$host","path":"$uri","status":"$status","bytes":"$bytes_sent","duration":"$request_time","server":"$upstream_addr"}';
  access_log ${directory}/nginx.log json;
  upstream app { server 127.0.0.1:${upstreamPort}; keepalive 256; }
  upstream verifier { server unix:${socket}; keepalive 256; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate ${files.serverCertificate};
    ssl_certificate_key ${files.serverKey};
    ssl_client_certificate ${files.deviceAuthority};
    ssl_verify_client on;
    keepalive_timeout 600s;
    keepalive_requests 100000000;
    location / {
      auth_request /verify;
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Proxy-Authorization "";
    }
    location = /verify {
      internal;
      proxy_pass http://verifier;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Proxy-Authorization $http_proxy_authorization;
    }
  }
}
`,
  );
  const started = await start(cores.measured, [program, '-c', config, '-p', directory], { port });
  const workers = [started.pid, ...descendants(started.pid)];
  return {
    name: 'nginx, mTLS, auth_request, JSON log; with its verifier',
    key: 'nginxAuthRequest',
    port,
    client: files.client,
    pids: [...workers, verifier.pid],
    helpers: {
      name: 'the same, its verifier not counted',
      key: 'nginxAuthRequestVerifierNotCounted',
      pids: [verifier.pid],
    },
    async stop() {
      await started.stop();
      await verifier.stop();
    },
  };
}
