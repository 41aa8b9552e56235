import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import type { PeerFiles } from './lab-peers.ts';
import { start } from './processes.ts';
import { cores } from './target.ts';
import type { Target } from './target.ts';

/** HAProxy that demands a device certificate, verifies the token on each request and logs each as JSON. */
export async function startHaproxy(
  program: string,
  directory: string,
  files: PeerFiles,
  upstreamPort: number,
): Promise<Target> {
  const port = await freePort();
  const config = join(directory, 'haproxy.cfg');
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 2000
  log stdout format raw local0
defaults
  mode http
  log global
  option http-keep-alive
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
frontend gate
  bind 127.0.0.1:${port} ssl crt ${files.serverBundle} ca-file ${files.deviceAuthority} verify required alpn http/1.1 ssl-min-ver TLSv1.3
  http-request set-var(txn.bearer) http_auth_bearer(Proxy-Authorization)
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_header_query('$.alg') -m str ES256 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify("ES256","${files.tokenKey}") 1 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.aud') -m str postern-gateway }
  http-request set-var(txn.user) var(txn.bearer),jwt_payload_query('$.sub')
  http-request del-header Proxy-Authorization
  log-format '{"time":"%tr","client":"%ci","port":%cp,"user":"%[var(txn.user)]","serial":"%[ssl_c_serial,hex]","tls":"%sslv","cipher":"%sslc","method":"%HM","host":"%[capture.req.hdr(0),json]","path":"%[capture.req.uri,json]","status":%ST,"bytes":%B,"duration":%Ta,"server":"%si:%sp"}'
  http-request capture req.hdr(Host) len 128
  default_backend app
backend app
  http-reuse always
  server app 127.0.0.1:${upstreamPort}
`,
  );
  const log = openSync(join(directory, 'haproxy.log'), 'w');
  const started = await start(cores.measured, [program, '-db', '-f', config], {
    output: log,
    port,
  });
  return {
    name: 'HAProxy, mTLS, jwt_verify on each request, JSON log',
    key: 'haproxyVerifyEach',
    port,
    client: files.client,
    pids: [started.pid],
    stop: started.stop,
  };
}
