import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LabGateway, LabLaptop, Recorded } from './gateway.ts';

const program = '/usr/bin/curl';
const run = promisify(execFile);

/** Behind a suite's title: why it cannot run here. */
export const curlMissing = existsSync(program) ? '' : ' (skipped: apt-get install curl)';

export type CurlVersion = '--http1.0' | '--http1.1' | '--http2';

export interface CurlAnswer {
  /** Of curl: 0 where all arrived. */
  readonly code: number;
  readonly status: number;
  /** New connections that it took. */
  readonly connects: number;
  /** As JSON. */
  readonly headers: string;
  readonly body: Buffer;
  readonly record: Recorded;
}

/** A real curl on a laptop, as any HTTPS client with its certificate. */
export interface LabCurl {
  ask(app: string, path: string, args: readonly string[], version: CurlVersion): Promise<CurlAnswer>;
  /** Path of a file to send. */
  file(content: string | Buffer): string;
  remove(): void;
}

export function createCurl(lab: LabGateway, laptop: LabLaptop): LabCurl {
  const directory = mkdtempSync(join(tmpdir(), 'postern-curl-'));
  const [certificate, key, authority] = ['cert', 'key', 'ca'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(certificate, laptop.certificate.chainPem);
  writeFileSync(key, laptop.certificate.keyPem, { mode: 0o600 });
  writeFileSync(authority, lab.organization.rootPem);
  let serial = 0;
  return {
    async ask(app, path, args, version) {
      const from = lab.recorder.records.length;
      const output = join(directory, `answer-${(serial += 1)}`);
      const host = `${app}.apps.example.org`;
      const { code, stdout } = await run(program, [
        ...['--silent', '--max-time', '60', version, '--cert', certificate, '--key', key],
        ...['--cacert', authority, '--connect-to', `${host}:443:127.0.0.1:${lab.port}`],
        ...['-H', `Proxy-Authorization: Bearer ${await laptop.token()}`, '-o', output],
        ...['-w', '%{http_code} %{num_connects} %{header_json}', ...args, `https://${host}${path}`],
      ]).then(
        (done) => ({ code: 0, ...done }),
        (error: { code: number; stdout: string }) => error,
      );
      const record = await lab.recorder.next(
        ({ kind, facts }) => kind === 'request' && facts.app?.name === app,
        from,
      );
      const [, status, connects, headers = ''] = /^(\d+) (\d+) (.*)$/s.exec(stdout) ?? [];
      return {
        code,
        status: Number(status),
        connects: Number(connects),
        headers,
        body: existsSync(output) ? readFileSync(output) : Buffer.alloc(0),
        record,
      };
    },
    file(content) {
      const path = join(directory, `file-${(serial += 1)}`);
      writeFileSync(path, content);
      return path;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
