import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { InspectedRequest } from '../../../src/inspection/request.ts';
import { freePort } from './ports.ts';
import { cpuSeconds, findProgram, start } from './processes.ts';
import { cores } from './target.ts';

/** nginx with ModSecurity and the same rules: what the rules' own engine says of a request, and what it costs. */
export interface ModSecurity {
  /** Whether the request was let through. */
  passes(request: InspectedRequest): Promise<boolean>;
  /** CPU seconds of the server so far. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

const module =
  process.env['POSTERN_NGINX_MODSECURITY'] ?? '/usr/lib/nginx/modules/ngx_http_modsecurity_module.so';

/** Undefined where nginx or its module (Debian: libnginx-mod-http-modsecurity) is not installed. */
export async function startModSecurity(
  directory: string,
  ruleFolder: string,
  paranoia: number,
): Promise<ModSecurity | undefined> {
  const program = findProgram('nginx');
  if (program === undefined || !existsSync(module)) return undefined;
  const [port, upstream] = [await freePort(), await freePort()];
  const home = join(directory, `modsecurity-${paranoia}`);
  mkdirSync(home);
  // Bodies are read as the settings that come with ModSecurity say; the rest as the gateway does it.
  writeFileSync(
    join(home, 'rules.conf'),
    `SecRuleEngine On
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "@rx [/+]xml" "id:1,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx [/+]json" "id:2,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecAuditEngine Off
SecAction "id:3,phase:1,nolog,pass,setvar:tx.paranoia_level=${paranoia},setvar:tx.crs_setup_version=334,setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE'"
Include ${ruleFolder}/REQUEST-*.conf
`,
  );
  writeFileSync(
    join(home, 'nginx.conf'),
    `load_module ${module};
daemon off;
master_process off;
pid ${home}/nginx.pid;
error_log ${home}/error.log crit;
events { worker_connections 256; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${home}/${kind};`).join('\n  ')}
  large_client_header_buffers 4 32k;
  ignore_invalid_headers off;
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 1000000;
    location / {
      modsecurity on;
      modsecurity_rules_file ${home}/rules.conf;
      proxy_pass http://127.0.0.1:${upstream};
    }
  }
  server { listen 127.0.0.1:${upstream}; location / { return 200 ok; } }
}
`,
  );
  const server = await start(cores.measured, [program, '-c', join(home, 'nginx.conf'), '-p', home], { port });
  return {
    async passes(request) {
      const status = await ask(port, request);
      // What nginx itself does not take for a request never reaches an application.
      return status < 400;
    },
    cpuSeconds: () => cpuSeconds([server.pid]),
    stop: () => server.stop(),
  };
}

function ask(port: number, { method, target, fields, body }: InspectedRequest): Promise<number> {
  const lines = fields.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${fields[index + 1] ?? ''}`] : [],
  );
  const text = `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`;
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.once('error', reject);
    socket.once('close', () => resolve(Number(answer.split(' ', 2)[1] ?? 0)));
    socket.write(text, 'latin1');
  });
}
