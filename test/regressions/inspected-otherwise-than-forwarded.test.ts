/*
 * The commonest way past a firewall for web applications is a body that it and the application read differently: a form in
 * parts with a boundary given twice or with bare line feeds, JSON with a member twice or with what only lenient readers
 * take, a body that only the application decompresses or decodes, fields behind a chunked body (WAFFLED, 2025, found more
 * than a thousand such pairs in five products). Here both readings are looked at where there are two, and what has no
 * reading that all share is a finding, so that none of it reaches an application that blocks.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createWaf } from '../../src/gateway/waf/waf.ts';
import type { Waf } from '../../src/gateway/waf/waf.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'app.apps.example.org';
const rule = `SecRule ARGS|XML:/*|REQUEST_HEADERS:X-Note "@rx attack" "id:1000,phase:2,block,setvar:'tx.anomaly_score_pl1=+5'"`;
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
let upstream: LabServer;
let waf: Waf;
let lab: LabGateway;
let alice: LabLaptop;

beforeAll(async () => {
  upstream = await startApplication();
  waf = createWaf({ coreRuleSet: { files: { 'a.conf': rule } }, timeoutMs: 60_000, log });
  lab = await startLabGateway({
    apps: [labApp('app', [upstream.url], { inspect: ['waf'], waf: { mode: 'block' } })],
    inspection: { coreRuleSet: '.', maxBodyBytes: 65_536, maxHeldBytes: 1_048_576, timeoutMs: 60_000 },
    waf,
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  await waf.close();
  upstream.close();
});

async function post(fields: string, body: string, isChunked = false): Promise<number> {
  const socket = await alice.connect({ servername: host });
  const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`;
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\n${framing}\r\n${fields}Proxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`;
  const answer = httpOn(socket, head);
  socket.write(body, 'latin1');
  const { status } = await answer;
  socket.destroy();
  return status;
}

const part = (head: string, end = '\r\n'): string =>
  `--b${end}Content-Disposition: form-data; ${head}${end}${end}attack${end}--b--${end}`;
const multipart = 'Content-Type: multipart/form-data; boundary=b\r\n';
const json = 'Content-Type: application/json\r\n';

it.each<[string, string, string]>([
  ['the first of two members of one name', json, '{"a":"attack","a":"fine"}'],
  ['the second of them', json, '{"a":"fine","a":"attack"}'],
  ['a member in quotes that only lenient readers take', json, "{'a':'attack'}"],
  ['a member behind a comment', json, '{"a":1/*,"b":"*/,"c":"attack"}'],
  ['an escaped member', json, '{"a":"\\u0061ttack"}'],
  ['UTF-16 that calls itself so nowhere', json, '\0{\0"\0a\0"\0:\x001\0}'],
  [
    'a boundary given twice',
    'Content-Type: multipart/form-data; boundary=x; boundary=b\r\n',
    part('name="a"'),
  ],
  [
    'a boundary in another writing',
    "Content-Type: multipart/form-data; boundary*=utf-8''b\r\n",
    part('name="a"'),
  ],
  ['bare line feeds', multipart, part('name="a"', '\n')],
  ['a file that is also a field', multipart, part('name="a"; filename="x"; filename="y"')],
  ['a field that only lenient readers find', multipart, part('name=a"b"')],
  ['text before the first part', multipart, `attack\r\n${part('name="a"')}`],
  ['a body that is packed', `${json}Content-Encoding: gzip\r\n`, '\x1f\x8b\x08attack'],
  ['a type that nobody said', '', 'a=attack'],
  ['a document type', 'Content-Type: text/xml\r\n', '<!DOCTYPE a [<!ENTITY b "attack">]><a>&b;</a>'],
  ['a section that is not markup', 'Content-Type: text/xml\r\n', '<a><![CDATA[attack]]></a>'],
])('%s does not reach an application that blocks', async (_, fields, body) => {
  const before = upstream.requests.length;
  expect(await post(fields, body)).toBe(403);
  expect(await post(fields, `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`, true)).toBe(403);
  expect(upstream.requests.length).toBe(before);
});

it('a field behind the body is looked at as one before it', async () => {
  const before = upstream.requests.length;
  const trailing = (value: string): string => `3\r\na=1\r\n0\r\nX-Note: ${value}\r\n\r\n`;
  const form = 'Content-Type: application/x-www-form-urlencoded\r\nTrailer: X-Note\r\n';
  expect(await post(form, trailing('attack'), true)).toBe(403);
  expect(upstream.requests.length).toBe(before);
  expect(await post(form, trailing('fine'), true)).toBe(200);
});

it('what all readers read alike reaches it as it was sent', async () => {
  const body = '{"a":"l\'école","b":[1,{"c":"d"}]}';
  expect(await post(json, Buffer.from(body).toString('latin1'))).toBe(200);
  expect(await post(multipart, part('name="a"').replace('attack', 'fine'))).toBe(200);
});
