import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'slow.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
let answers: ServerResponse[] = [];

beforeEach(async () => {
  answers = [];
  app = await startApplication('slow', (request, response) => {
    if (request.url === '/now') response.end('now');
    else answers.push(response);
  });
  lab = await startLabGateway({
    apps: [
      labApp('slow', [app.url]),
      labApp('seen', [app.url], { inspect: ['waf'], waf: { mode: 'block' } }),
    ],
    limits: { drainTimeoutMs: 500 },
  });
  alice = await lab.laptop('alice@example.org');
});
afterEach(async () => {
  await lab.close();
  app.close();
  expect(lab.errors).toEqual([]);
});

const request = async (path: string, fields = '', name = host) =>
  `GET ${path} HTTP/1.1\r\nHost: ${name}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n${fields}\r\n`;

describe('refusals', () => {
  it('are a page in the browser’s language, with the facts of the problem details', async () => {
    const socket = await alice.connect({ servername: host });
    const fields =
      'Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: fr-FR,fr;q=0.9,en;q=0.8\r\n';
    const page = await httpOn(socket, await request('/a/../b', fields));
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-language': 'fr',
    });
    expect(page.body).toContain('path-ambiguous');
    expect(page.body).toContain(String(lab.recorder.records.at(-1)?.facts.id));
    const problem = await httpOn(socket, await request('/a/../b'));
    expect(problem.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(problem.body)).toMatchObject({
      type: 'urn:postern:refusal:path-ambiguous',
      status: 400,
      code: 'path-ambiguous',
      flow_id: lab.recorder.records.at(-1)?.facts.id,
      help: expect.any(String),
    });
    socket.destroy();
  });

  it('repeat nothing that the client could have written into a page', async () => {
    const socket = await alice.connect({ servername: host });
    const fields = 'Accept: text/html\r\nx_<script>alert(1)</script>: 1\r\n';
    const answer = await httpOn(socket, await request('/?<script>alert(1)</script>', fields));
    expect(answer.body).not.toContain('<script>');
    socket.destroy();
  });

  it('meet an app that is to be inspected where no inspection runs', async () => {
    const socket = await alice.connect({ servername: 'seen.apps.example.org' });
    const answer = await httpOn(socket, await request('/now', '', 'seen.apps.example.org'));
    expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'inspection-unavailable' });
    expect(app.requests).toEqual([]);
    socket.destroy();
  });

  it('meet every flow while records cannot be written, and end when they can', async () => {
    const socket = await alice.connect({ servername: host });
    const late = httpOn(socket, await request('/now'));
    expect((await late).status).toBe(200);
    lab.recorder.isFull = true;
    const waiting = httpOn(socket, await request('/now'));
    await lab.recorder.next(({ outcome }) => outcome?.refusal === 'not-ready');
    // No answer before its record: the gateway gives the client up instead.
    lab.clock.now += 11_000;
    await expect(waiting).rejects.toThrow('closed');
    expect(app.requests.length).toBe(1);
    lab.recorder.isFull = false;
    const again = await alice.connect({ servername: host });
    expect((await httpOn(again, await request('/now'))).status).toBe(200);
    again.destroy();
  });
});

describe('while records have all the room that they may take', () => {
  it('a new flow is refused, and that is on record; one whose record may be left out passes', async () => {
    const socket = await alice.connect({ servername: host });
    lab.recorder.withoutRoomFor = ['tunnels'];
    expect((await httpOn(socket, await request('/now'))).status).toBe(200);
    lab.recorder.withoutRoomFor = ['requests', 'tunnels'];
    const answer = await httpOn(socket, await request('/now'));
    expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'not-ready' });
    expect(lab.recorder.records.at(-1)?.outcome).toMatchObject({
      refusal: 'not-ready',
      detail: 'flow records have all the room that they may take',
    });
    lab.recorder.withoutRoomFor = ['tunnels'];
    const upgrade = await httpOn(
      socket,
      await request('/now', 'Connection: upgrade\r\nUpgrade: websocket\r\n'),
    );
    expect(JSON.parse(upgrade.body)).toMatchObject({ code: 'not-ready' });
    expect(app.requests.length).toBe(1);
    socket.destroy();
  });
});

describe('draining', () => {
  it('lets what is under way end, takes nothing new, and closes', async () => {
    const socket = await alice.connect({ servername: host });
    const idle = await alice.session();
    const slow = httpOn(socket, await request('/later'));
    await lab.recorder.next(({ kind, facts }) => kind === 'authentication' && facts.subject !== undefined);
    while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const goaway = once(idle, 'goaway');
    const drained = lab.gateway.drain();
    await goaway;
    await expect(alice.connect({ servername: host, timeout: 1000 })).rejects.toThrow();
    answers[0]?.end('done');
    expect((await slow).body).toBe('done');
    await drained;
  });

  it('ends what does not end by itself', async () => {
    const socket = await alice.connect({ servername: host });
    const slow = httpOn(socket, await request('/never'));
    while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const broken = expect(slow).rejects.toThrow('closed');
    await lab.gateway.drain();
    await broken;
    await lab.recorder.next(({ kind, facts }) => kind === 'request' && facts.request?.path === '/never');
  });
});
