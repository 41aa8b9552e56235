import { expect, it } from 'vitest';
import { array, assert, constantFrom, double, nat, property, string, uint8Array } from 'fast-check';
import { describeError } from '../../agent/agent-error.ts';
import { startStopwatch } from '../../agent/clock.ts';
import { languageOf } from '../../agent/language.ts';
import { message, messageKeys, stateMessage } from '../../agent/messages.ts';
import { parseProblemText } from '../../agent/control/problem.ts';
import { buildAppHosts } from '../../agent/proxy/app-hosts.ts';
import { buildPac } from '../../agent/proxy/pac.ts';
import { parseGreeting, parseSocksRequest } from '../../agent/proxy/socks5/messages.ts';
import { hostAgrees, parseAbsoluteTarget } from '../../agent/proxy/request-target.ts';
import { fullJitter, reconnectLimits, refusedLimits, slowJitter } from '../../agent/session/backoff.ts';
import { formatHostPort, parseHostPort } from '../../agent/session/host-port.ts';
import { createFakeClock } from './lab/fake-clock.ts';

it.each([
  [{ LANG: 'fr_FR.UTF-8' }, 'fr'],
  [{ LANG: 'fr' }, 'fr'],
  [{ LANG: 'en_GB.UTF-8', LC_MESSAGES: 'fr_CA' }, 'fr'],
  [{ LC_ALL: 'C', LANG: 'fr_FR' }, 'en'],
  [{ LANG: 'frr_DE' }, 'en'],
  [{ LC_ALL: '', LANG: 'fr_BE@euro' }, 'fr'],
  [{}, 'en'],
])('speaks for %j in %s', (environment, language) => {
  expect(languageOf(environment)).toBe(language);
});

it('has every sentence in both languages, with the same values in them', () => {
  const placeholders = (text: string): string[] => (text.match(/\{[a-zA-Z]+\}/g) ?? []).sort();
  for (const key of messageKeys) {
    expect([key, placeholders(message('fr', key))]).toEqual([key, placeholders(message('en', key))]);
  }
  expect(message('en', 'agent-runs', { pid: 7 })).toContain('7');
  expect([stateMessage('fr', 'connected'), stateMessage('fr', 'odd')]).toEqual(['connecté', 'odd']);
});

it.each([
  [
    'self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca',
    'self-signed certificate',
  ],
  [
    '4083BBC5127F0000:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/openssl/openssl/ssl/record/methods/tlsany_meth.c:78:\n',
    'wrong version number',
  ],
  [
    'write EPROTO 40F:error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:../deps/rec_layer_s3.c:908:SSL alert number 40\n',
    'write EPROTO ssl/tls alert handshake failure',
  ],
  ['connect ECONNREFUSED 127.0.0.1:8443', 'connect ECONNREFUSED 127.0.0.1:8443'],
])('says of an error what a person can use: %s', (thrown, expected) => {
  expect(describeError(new Error(thrown))).toBe(expected);
});

it('takes a problem document for what it is, and nothing in it may redraw a terminal', () => {
  expect(parseProblemText(403, '{"code":"denied","title":"a\\u001b[2Jb","flow_id":"01H"}')).toEqual({
    status: 403,
    code: 'denied',
    title: 'a [2Jb',
    flowId: '01H',
  });
  for (const text of ['', '[]', '{"code":"x y","title":"t"}', '{"title":"t"}']) {
    expect(parseProblemText(500, text)).toEqual({ status: 500, code: 'unknown', title: 'HTTP 500' });
  }
});

it('jitters over the whole interval, never beyond the cap, however many failures there were', () => {
  assert(
    property(nat(5000), double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, dice) => {
      const full = fullJitter(attempt, reconnectLimits, () => dice);
      const slow = slowJitter(attempt, refusedLimits, () => dice);
      expect(full).toBeGreaterThanOrEqual(0);
      expect(full).toBeLessThanOrEqual(reconnectLimits.capMs);
      expect(slow).toBeGreaterThanOrEqual(refusedLimits.baseMs / 2);
      expect(slow).toBeLessThanOrEqual(refusedLimits.capMs);
    }),
  );
  expect([0, 1, 2, 20].map((attempt) => fullJitter(attempt, reconnectLimits, () => 0.999_999))).toEqual([
    expect.closeTo(1000, 0),
    expect.closeTo(2000, 0),
    expect.closeTo(4000, 0),
    expect.closeTo(30_000, 0),
  ]);
});

it('measures time by the clock that went further: neither sleep nor a clock set back makes a token live longer', () => {
  let [wall, steady] = [1_000_000, 0];
  const elapsed = startStopwatch({ ...createFakeClock(), now: () => wall, monotonic: () => steady });
  [wall, steady] = [wall + 3_600_000, 5000];
  expect(elapsed()).toBe(3600);
  [wall, steady] = [0, 7_200_000];
  expect(elapsed()).toBe(7200);
});

it.each([
  ['a.example.org:443', { host: 'a.example.org', port: 443 }],
  ['A.EXAMPLE.org:443', { host: 'a.example.org', port: 443 }],
  ['[::1]:22', { host: '::1', port: 22 }],
  ['a:0', undefined],
  ['a:65536', undefined],
  ['a', undefined],
  ['a:', undefined],
  [':80', undefined],
  ['u@a:80', undefined],
  ['a:80/x', undefined],
  ['a:80 ', undefined],
  ['a\t:80', undefined],
  ['[::1:22', undefined],
  ['[zz]:22', undefined],
  ['ä.example:80', undefined],
])('reads %j as host and port %j', (text, expected) => {
  expect(parseHostPort(text)).toEqual(expected);
});

it('formats what it read', () => {
  for (const text of ['a.example.org:443', '[::1]:22']) {
    const parsed = parseHostPort(text);
    expect(parsed === undefined ? undefined : formatHostPort(parsed)).toBe(text);
  }
});

it.each([
  ['http://a.example/', { host: 'a.example', port: 80, authority: 'a.example', path: '/' }],
  ['HTTP://A.example', { host: 'a.example', port: 80, authority: 'a.example', path: '/' }],
  [
    'http://a.example:8080?x=1',
    { host: 'a.example', port: 8080, authority: 'a.example:8080', path: '/?x=1' },
  ],
  ['http://a.example/../%2e/x//y?#', undefined],
  [
    'http://a.example/../%2e/x//y?',
    { host: 'a.example', port: 80, authority: 'a.example', path: '/../%2e/x//y?' },
  ],
  ['http://u:p@a.example/', undefined],
  ['http://a.example\\@b.example/', undefined],
  ['http://a.example#@b.example/', undefined],
  ['http:///a', undefined],
  ['http://', undefined],
  ['https://a.example/', undefined],
  ['a.example:80', undefined],
  ['http://a.example:0/', undefined],
])('reads the target %j as %j', (text, expected) => {
  expect(parseAbsoluteTarget(text)).toEqual(expected);
});

it.each([
  [undefined, true],
  ['a.example', true],
  ['A.example:80', true],
  ['a.example:81', false],
  ['b.example', false],
  ['a.example,b.example', false],
  ['', false],
])('finds that Host %j and the target agree: %s', (host, expected) => {
  const target = parseAbsoluteTarget('http://a.example/');
  expect(target !== undefined && hostAgrees(host, target)).toBe(expected);
});

it('puts nothing into the PAC but the table of hosts and the port', () => {
  const app = (host: string, protocol: string) => ({ name: 'a', host, protocol, ports: [] });
  const apps = [app('a.example', 'http'), app('");evil("', 'http'), app('B.example', 'tcp')];
  const pac = buildPac(buildAppHosts(apps), 8118);
  expect(pac.split('\n')[0]).toBe('var applications = {"a.example":1,"b.example":2};');
});

it('reads a SOCKS request the same however it was cut, and never beyond its end', () => {
  const name = string({ unit: constantFrom('a', 'b', 'z', '0', '-', '.'), minLength: 1, maxLength: 253 });
  assert(
    property(name, nat(65_534), uint8Array({ maxLength: 20 }), (host, port, behind) => {
      const [high, low] = [(port + 1) >> 8, (port + 1) & 255];
      const request = Buffer.from([5, 1, 0, 3, host.length, ...Buffer.from(host), high, low]);
      for (let cut = 0; cut < request.length; cut += 1)
        expect(parseSocksRequest(request.subarray(0, cut))).toBe('incomplete');
      expect(parseSocksRequest(Buffer.from([...request, ...behind]))).toEqual({
        command: 1,
        target: { host, port: port + 1 },
        length: request.length,
      });
    }),
    { numRuns: 50 },
  );
});

it('takes any bytes for a SOCKS message, the beginning of one or none, without throwing', () => {
  assert(
    property(array(nat(255), { maxLength: 300 }), (rest) => {
      for (const bytes of [Buffer.from(rest), Buffer.from([5, ...rest]), Buffer.from([5, 1, 0, ...rest])]) {
        for (const parsed of [parseGreeting(bytes), parseSocksRequest(bytes)])
          if (typeof parsed === 'object') expect(parsed.length).toBeLessThanOrEqual(bytes.length);
      }
    }),
  );
});
