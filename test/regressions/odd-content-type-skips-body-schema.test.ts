/**
 * fastify CVE-2026-33806 and those before it: a Content-Type such as `application/json\t; x` or `application/json,` was
 * parsed as JSON by one half of the framework, while the other half, which looks the body's schema up by media type,
 * found none. The body then reached the handler unchecked. Here that would be an `apply` or a device state with any
 * shape. So only one spelling of one media type is let in, before anything is read, and each attempt below carries a
 * body that the schema would refuse and that would do harm.
 */
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab } from '../control/control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const odd = [
  'application/json\t; x',
  'application/json,',
  'application/json;',
  'application/json; charset=utf-8; charset=utf-16',
  'application/json; charset=utf-16',
  'application/json ; boundary=x',
  'application/jsonx',
  'application/ json',
  ' application/json/x',
  'application/JSON;;',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=a',
  '*/*',
  'application/merge-patch+json',
];

it.each(odd)('refuses a body that comes as %j, and its schema is not asked', async (type) => {
  const laptop = await lab.enroll();
  const answer = await lab.ask('POST', `/v1/devices/${laptop.device}/state`, {
    body: { state: 'revoked', reason: 'harm', force: true },
    headers: { 'content-type': type },
  });
  expect(answer).toMatchObject({ status: 400, body: { code: 'content-type-malformed' } });
  expect(lab.store.state.devices.get(laptop.device as never)?.state).toBe('enrolled');
});

it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset=UTF-8'])(
  'holds a body that comes as %j to its schema, and accepts one that fits',
  async (type) => {
    const laptop = await lab.enroll();
    const path = `/v1/devices/${laptop.device}/state`;
    const headers = { 'content-type': type };
    const wrong = { state: 'revoked', reason: 'harm', force: true };
    expect(await lab.ask('POST', path, { headers, body: wrong })).toMatchObject({
      status: 400,
      body: { code: 'invalid-input', problems: ['body.force: unknown key'] },
    });
    expect(
      await lab.ask('POST', path, { headers, body: { state: 'revoked', reason: 'right' } }),
    ).toMatchObject({ status: 200 });
  },
);

it('refuses a body without Content-Type, and one with two', async () => {
  const send = async (lines: readonly string[]): Promise<string> => {
    const body = '{"state":"revoked","reason":"harm"}';
    const socket = connect({ host: '127.0.0.1', port: lab.port, ca: lab.organization.rootPem });
    socket.end(
      [
        'POST /v1/devices/x/state HTTP/1.1',
        'Host: localhost',
        `Authorization: Bearer ${lab.apiKey}`,
        ...lines,
        `Content-Length: ${body.length}`,
        'Connection: close',
        '',
        body,
      ].join('\r\n'),
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  expect(await send([])).toContain('"content-type-malformed"');
  expect(await send(['Content-Type: application/json', 'Content-Type: text/plain'])).toContain(
    '"content-type-malformed"',
  );
  expect(await send(['Content-Type: application/json'])).toContain('"not-found"');
});
