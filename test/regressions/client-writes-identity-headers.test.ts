/**
 * A client writes the headers by which the application knows users, in a spelling that the proxy does not compare:
 * `X_Forwarded_User`, which CGI-like servers read as `X-Forwarded-User` (oauth2-proxy CVE-2025-64484), other case, or as
 * a trailer. What reaches the application must be what the gateway wrote, and that once.
 */
import { describe, expect, it } from 'vitest';
import { useGrants } from '../lab/grants.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request } from '../lab/http2-client.ts';

const forged = [
  'Postern-User',
  'POSTERN-ASSERTION',
  'postern-anything',
  'X-Forwarded-For',
  'X-Forwarded-User',
  'Forwarded',
  'X-Real-IP',
  'Proxy-User',
];
const grants = useGrants();
const { host } = grants;

const countOf = (rawHeaders: readonly string[], name: string): number =>
  rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length;

describe('identity headers of the client', () => {
  it('are gone, and ours stand there once', async () => {
    const socket = await grants.alice.connect({ servername: host });
    const fields = forged.map((name) => `${name}: root\r\n`).join('');
    const answer = await httpOn(
      socket,
      `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await grants.alice.token()}\r\n${fields}\r\n`,
    );
    const { rawHeaders } = JSON.parse(answer.body);
    expect(rawHeaders).not.toContain('root');
    expect(countOf(rawHeaders, 'postern-user')).toBe(1);
    expect(countOf(rawHeaders, 'x-forwarded-for')).toBe(1);
    socket.destroy();
  });

  it('are gone over HTTP/2, from trailers too', async () => {
    const session = await grants.alice.session();
    const fields = Object.fromEntries(forged.map((name) => [name.toLowerCase(), 'root']));
    const answer = await http2Request(
      session,
      {
        ':method': 'POST',
        ':path': '/',
        ':authority': host,
        'proxy-authorization': `Bearer ${await grants.alice.token()}`,
        ...fields,
      },
      'body',
      { 'postern-user': 'root', kept: '1' },
    );
    const seen = JSON.parse(answer.body);
    expect(JSON.stringify(seen)).not.toContain('root');
    expect(seen.trailers).toEqual({ kept: '1' });
    session.destroy();
  });

  it.each(['X_Forwarded_User', 'Postern_User', 'x_anything'])(
    'with an underscore (%s) refuse the request',
    async (name) => {
      const reached = grants.app.requests.length;
      const socket = await grants.alice.connect({ servername: host });
      const answer = await httpOn(
        socket,
        `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await grants.alice.token()}\r\n${name}: root\r\n\r\n`,
      );
      expect(JSON.parse(answer.body)).toMatchObject({ status: 400, code: 'header-name' });
      expect(grants.app.requests.length).toBe(reached);
      socket.destroy();
    },
  );
});
