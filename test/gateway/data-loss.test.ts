import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/domain/finding.ts';
import type { DataLossSettings } from '../../src/domain/resources.ts';
import { createDataLossScanner } from '../../src/gateway/data-loss/data-loss-scanner.ts';
import type { DataLossScanner } from '../../src/gateway/data-loss/data-loss-scanner.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { createCurl, curlMissing } from '../lab/curl.ts';
import type { CurlVersion, LabCurl } from '../lab/curl.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop, Recorded } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const missing = curlMissing;
const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** As they are known to all the world; none may ever be in a record. */
const cards = ['4111111111111111', '5555555555554444', '378282246310005', '6011111111111117'];
const ibans = ['FR1420041010050500013M02606', 'GB29NWBK60161331926819', 'DE89370400440532013000'];
const nirs = ['269054958815780', '184122A00402524'];
const addresses = Array.from({ length: 60 }, (_, index) => `person-${index}@canary.example.org`);
const dossier = 'DOSSIER-123456';
const canaries = [...cards, ...ibans, ...nirs, ...addresses, dossier, '4111 1111', '@canary'];

let upstream: LabServer;
let lab: LabGateway;
let alice: LabLaptop;
let scanner: DataLossScanner;
let laptop: LabCurl;
const findings: Finding[] = [];
/** What the application got: how much, and whether it was whole. */
const received: { readonly size: number; readonly isWhole: boolean }[] = [];
let served: { readonly type: string; readonly body: Buffer; readonly coding?: string };

function serve(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'POST') {
    let size = 0;
    request.on('data', (piece: Buffer) => (size += piece.length));
    request.on('error', () => undefined);
    request.on('close', () => {
      received.push({ size, isWhole: request.complete });
      if (request.complete) response.end('taken');
    });
    return;
  }
  response.setHeader('content-type', served.type);
  if (served.coding !== undefined) response.setHeader('content-encoding', served.coding);
  response.end(served.body);
}

describe.skipIf(missing !== '')(`protected data in contents${missing}`, () => {
  beforeAll(async () => {
    upstream = await startApplication('app', serve);
    scanner = createDataLossScanner({ timeoutMs: 20_000, log: silent });
    const app = (name: string, dataLoss?: DataLossSettings) =>
      labApp(name, [upstream.url], { inspect: ['dlp'], ...(dataLoss === undefined ? {} : { dataLoss }) });
    lab = await startLabGateway({
      apps: [
        app('blocks', { mode: 'block' }),
        app('records'),
        app('uploads', { mode: 'block', directions: ['uploads'], thresholds: { card: 1, iban: 0 } }),
        app('dossiers', { mode: 'block', patterns: [{ name: 'dossier', pattern: 'DOSSIER-[0-9]{6}' }] }),
      ],
      inspection: {
        coreRuleSet: '.',
        maxBodyBytes: 65_536,
        maxHeldBytes: 67_108_864,
        timeoutMs: 1000,
        dataLoss: { maxHeldBytes: 262_144, timeoutMs: 20_000 },
      },
      dataLossScanner: scanner,
      onFinding: (finding) => void findings.push(finding),
    });
    alice = await lab.laptop('alice@example.org');
    laptop = createCurl(lab, alice);
  });
  afterAll(async () => {
    const written = readdirSync(lab.recorder.directory)
      .map((name) => readFileSync(join(lab.recorder.directory, name), 'latin1'))
      .join('');
    expect(written.length).toBeGreaterThan(10_000);
    expect(canaries.filter((canary) => written.includes(canary))).toEqual([]);
    expect(lab.errors).toEqual([]);
    await lab.close();
    upstream.close();
    await scanner.close();
    laptop.remove();
  });
  beforeEach(() => {
    received.length = 0;
    findings.length = 0;
  });

  const curl = async (name: string, args: readonly string[], version: CurlVersion = '--http2') => {
    const { body, ...answer } = await laptop.ask(name, '/', args, version);
    return { ...answer, body: body.toString('utf8') };
  };
  const send = (
    name: string,
    type: string,
    body: string | Buffer,
    version?: CurlVersion,
    ...args: string[]
  ) =>
    curl(name, ['-H', `Content-Type: ${type}`, '--data-binary', `@${laptop.file(body)}`, ...args], version);
  const dlpOf = ({ facts }: Recorded) => facts.inspections?.dlp;

  const form = 'application/x-www-form-urlencoded';
  const parts = (content: string): string =>
    `--b\r\nContent-Disposition: form-data; name="f"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n${content}\r\n--b--\r\n`;
  const three = cards.slice(0, 3);
  it.each([
    ['JSON', 'application/json', JSON.stringify(three)],
    ['CSV', 'text/csv', three.join('\n')],
    ['CSV in UTF-16', 'text/csv', Buffer.from(`\ufeff${three.join(';')}`, 'utf16le')],
    ['a form', form, new URLSearchParams(three.map((card) => ['card', card])).toString()],
    ['a form in parts', 'multipart/form-data; boundary=b', parts(three.join('\n'))],
  ])('an upload that reaches a threshold in %s does not reach the application', async (_what, type, body) => {
    for (const version of ['--http1.1', '--http2'] as const) {
      const refused = await send('blocks', type, body, version);
      expect([refused.status, JSON.parse(refused.body)]).toMatchObject([403, { code: 'data-loss' }]);
      // How much of what is for the security team alone.
      expect(refused.body).not.toMatch(/card \d|of 3/);
      expect(received).toEqual([]);
      expect([dlpOf(refused.record), refused.record.outcome?.detail]).toEqual([
        { state: 'done', found: ['card'], counts: { card: 3 } },
        'upload: card 3 of 3',
      ]);
    }
    const passed = await send(
      'blocks',
      type,
      body.toString().replaceAll('5555555555554444', '5555555555554445'),
    );
    if (typeof body === 'string')
      expect([passed.status, dlpOf(passed.record)?.counts, received.length]).toEqual([200, { card: 2 }, 1]);
  });

  it('an application that only records gets it, and a graver finding names the flow', async () => {
    const text = [...cards, ...ibans, ...nirs, ...addresses].join('\n');
    const { status, record } = await send('records', 'text/plain', text);
    expect([status, received[0]?.size]).toEqual([200, text.length]);
    const counts = { iban: 3, card: 4, nir: 2, email: 60 };
    expect(dlpOf(record)).toEqual({ state: 'done', found: Object.keys(counts), counts });
    expect(findings).toMatchObject([
      {
        rule: 'data-loss',
        severity: 'high',
        title: 'Much protected data sent to an application, let through',
        device: alice.certificate.id,
        app: 'records',
        flows: [record.facts.id],
        counts: { requests: 1, ...counts },
      },
    ]);
    await send('records', 'text/plain', cards[0] ?? '');
    expect(findings).toHaveLength(1);
  });

  it.each([
    ['as it is', (body: Buffer) => ({ body })],
    ['in gzip', (body: Buffer) => ({ body: gzipSync(body), coding: 'gzip' })],
    ['in Brotli', (body: Buffer) => ({ body: brotliCompressSync(body), coding: 'br' })],
  ])('a download %s becomes a refusal, and below the threshold arrives', async (_what, pack) => {
    served = { type: 'application/json', ...pack(Buffer.from(JSON.stringify(three))) };
    const refused = await curl('blocks', ['--compressed']);
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([403, { code: 'data-loss' }]);
    expect(dlpOf(refused.record)).toEqual({ state: 'done', found: ['card'], counts: { card: 3 } });
    served = { type: 'application/json', ...pack(Buffer.from(JSON.stringify(three.slice(1)))) };
    const passed = await curl('blocks', ['--compressed']);
    expect([passed.status, JSON.parse(passed.body)]).toEqual([200, three.slice(1)]);
    // The other way is not looked at there.
    served = { type: 'text/plain', body: Buffer.from(three.join(' ')) };
    const { status, record } = await curl('uploads', []);
    expect([status, dlpOf(record)]).toEqual([200, { state: 'not-done', why: 'not-configured' }]);
  });

  it('of a long content nobody gets what comes behind the threshold', async () => {
    const line = 'nothing of note in this line of a long report\n';
    const before = line.repeat(40_000);
    const body = `${before}${three.join('\n')}\n${line.repeat(40_000)}`;
    const { record } = await send('blocks', 'text/plain', body);
    expect(record.outcome).toMatchObject({ refusal: 'data-loss', endedBy: 'gateway' });
    await expect.poll(() => received.length).toBe(1);
    expect(received[0]?.isWhole).toBe(false);
    expect(received[0]?.size).toBeLessThan(before.length);
    served = { type: 'text/plain', body: Buffer.from(body) };
    const download = await curl('blocks', []);
    expect(download.code).not.toBe(0);
    expect(three.filter((card) => download.body.includes(card))).toEqual([]);
    const clean = await send('blocks', 'text/plain', before);
    expect([clean.status, received[1]]).toEqual([200, { size: before.length, isWhole: true }]);
  });

  it('an application says which kinds count, from how many on, and adds patterns of its own', async () => {
    const one = await send('uploads', 'text/plain', [cards[0], ...ibans, ...ibans].join(' '));
    expect([one.status, dlpOf(one.record)?.counts]).toEqual([403, { card: 1 }]);
    const own = await send('dossiers', 'text/plain', `see ${dossier}.`);
    expect([own.status, own.record.outcome?.detail]).toEqual([403, 'upload: dossier 1 of 1']);
    expect((await send('dossiers', 'text/plain', 'see DOSSIER-12345.')).status).toBe(200);
  });

  it('a table is one by whatever name a browser sends it', async () => {
    for (const type of ['application/vnd.ms-excel', 'application/octet-stream'])
      expect((await send('blocks', type, three.join('\n'))).status).toBe(403);
  });

  it('what is no text passes, and its record says that nobody looked', async () => {
    const binary = await send('blocks', 'application/pdf', Buffer.from(`%PDF-1.7\n\0 ${three.join(' ')}`));
    expect([binary.status, dlpOf(binary.record)]).toEqual([200, { state: 'partly', why: 'opaque' }]);
    const coded = await send(
      'blocks',
      'text/plain',
      three.join(' '),
      '--http1.1',
      '-H',
      'Content-Encoding: x-own',
    );
    expect([coded.status, dlpOf(coded.record)]).toEqual([200, { state: 'partly', why: 'encoded' }]);
  });

  it('without anybody who looks, an application that blocks is not reached, and one that records is', async () => {
    const closed = createDataLossScanner({ timeoutMs: 1000, log: silent });
    await closed.close();
    for (const dataLossScanner of [closed, undefined]) {
      const other = await startLabGateway({
        apps: [
          labApp('blocks', [upstream.url], { inspect: ['dlp'], dataLoss: { mode: 'block' } }),
          labApp('records', [upstream.url], { inspect: ['dlp'] }),
        ],
        dataLossScanner,
      });
      const bob = await other.laptop('bob@example.org');
      const statuses: number[] = [];
      for (const name of ['blocks', 'records']) {
        const socket = await bob.connect({ servername: `${name}.apps.example.org` });
        const answer = httpOn(
          socket,
          `POST / HTTP/1.1\r\nHost: ${name}.apps.example.org\r\nContent-Length: 2\r\nProxy-Authorization: Bearer ${await bob.token()}\r\n\r\nhi`,
        );
        statuses.push((await answer).status);
        socket.destroy();
      }
      expect(statuses).toEqual(dataLossScanner === undefined ? [503, 503] : [503, 200]);
      await other.close();
    }
  });
});
