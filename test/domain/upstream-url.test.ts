import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNumericAddress, scopeOfAddress } from '../../src/domain/numeric-address.ts';
import { parseUpstreamUrl } from '../../src/domain/upstream-url.ts';

describe('an upstream', () => {
  it.each<[string, object]>([
    ['http://10.0.0.2:8080', { scheme: 'http', host: '10.0.0.2', isNumeric: true, port: 8080 }],
    ['https://db_1.internal:443', { scheme: 'https', host: 'db_1.internal', isNumeric: false, port: 443 }],
    ['tcp://[FD00::2]:5432', { scheme: 'tcp', host: 'fd00::2', isNumeric: true, port: 5432 }],
    ['udp://10.0.0.53:53', { scheme: 'udp', host: '10.0.0.53', isNumeric: true, port: 53 }],
  ])('%s is read', (text, upstream) => {
    expect(parseUpstreamUrl(text)).toEqual(upstream);
  });

  it.each<[string, string]>([
    ['ftp://10.0.0.2:21', 'must be http://'],
    ['HTTP://10.0.0.2:80', 'must be http://'],
    [' http://10.0.0.2:80', 'must be http://'],
    ['http:10.0.0.2:80', 'must be http://'],
    ['http://10.0.0.2', 'needs a port'],
    ['http://10.0.0.2:', 'needs a port'],
    ['http://10.0.0.2:0', 'needs a port'],
    ['http://10.0.0.2:080', 'needs a port'],
    ['http://10.0.0.2:65536', 'needs a port'],
    ['http://10.0.0.2:80/', 'must end after the port'],
    ['http://10.0.0.2:80?x', 'must end after the port'],
    ['http://10.0.0.2:80#x', 'must end after the port'],
    ['http://10.0.0.2:80\n', 'must end after the port'],
    ['http://10.0.0.2:80:81', 'must end after the port'],
    ['http://user@10.0.0.2:80', 'must not hold a user'],
    ['http://10.0.0.9:80@10.0.0.2:80', 'must not hold a user'],
    ['http://:80', 'must name a host'],
    ['http://Db.internal:80', 'must name a host'],
    ['http://db..internal:80', 'must name a host'],
    ['http://db.internal.:80', 'must name a host'],
    ['http://dé.internal:80', 'must name a host'],
    ['http://db\\evil:80', 'must name a host'],
    ['http://db%2eevil:80', 'must name a host'],
    ['http://10.0.0.256:80', 'must name a host'],
    ['http://010.0.0.2:80', 'must name a host'],
    ['http://10.2:80', 'must name a host'],
    ['http://0x7f.1:80', 'must name a host'],
    ['http://2130706433:80', 'must name a host'],
    ['http://[10.0.0.2]:80', 'must name a host'],
    ['http://[fe80::1%eth0]:80', 'must name a host'],
    ['http://[::1:80', 'must end after the port'],
    ['http://fd00::2:80', 'must end after the port'],
  ])('%j is refused', (text, problem) => {
    expect(parseUpstreamUrl(text)).toEqual({ problem: expect.stringContaining(problem) });
  });

  it('means the same to the URL parser that clients use, whenever we read it at all', () => {
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.ipV6().map((address) => `[${address}]`),
      fc.domain(),
      fc.string({ unit: 'binary-ascii', maxLength: 8 }),
      fc.constantFrom('0x7f.1', '127.1', '1.2.3.4.', 'a_b', 'xn--bcher-kva.example'),
    );
    const upstream = fc
      .tuple(fc.constantFrom('http', 'https'), host, fc.nat({ max: 70_000 }))
      .map(([scheme, name, port]) => `${scheme}://${name}:${port}`);
    let read = 0;
    fc.assert(
      fc.property(upstream, (text) => {
        const ours = parseUpstreamUrl(text);
        if ('problem' in ours) return;
        read += 1;
        const theirs = new URL(text);
        const isDefault = theirs.port === '';
        expect(isDefault ? (theirs.protocol === 'http:' ? 80 : 443) : Number(theirs.port)).toBe(ours.port);
        expect(theirs.pathname + theirs.search + theirs.username).toBe('/');
        const theirHost = theirs.hostname.replace(/^\[|\]$/g, '');
        if (ours.host.includes(':')) expect(isIP(ours.host)).toBe(6);
        else expect(theirHost).toBe(ours.host);
        expect(isIP(theirHost) > 0).toBe(ours.isNumeric);
      }),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(100);
  });
});

describe('a numeric address', () => {
  it('is one exactly where the runtime says so, zones apart', () => {
    const nearly = fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(...'0123456789abcfF:.'.split('')), maxLength: 24 }),
      fc.tuple(fc.ipV6(), fc.ipV4()).map(([six, four]) => six.replace(/[^:]*$/, four)),
    );
    fc.assert(
      fc.property(nearly, (text) => isNumericAddress(text) === isIP(text) > 0),
      { numRuns: 5000 },
    );
  });

  it.each<[string, string | undefined]>([
    ['10.1.2.3', 'global'],
    ['fd00::1', 'global'],
    ['2001:db8::1', 'global'],
    ['127.255.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['169.254.1.1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', 'global'],
    ['239.255.255.255', 'multicast'],
    ['255.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['::ffff:1.2.3.4', 'mapped'],
    ['::1.2.3.4', 'mapped'],
    ['::ffff:0:1.2.3.4', 'mapped'],
    ['64:ff9b::1.2.3.4', 'mapped'],
    ['::2', 'mapped'],
    ['fe80::1%eth0', undefined],
    ['1.2.3', undefined],
  ])('%s reaches: %s', (text, scope) => {
    expect(scopeOfAddress(text)).toBe(scope);
  });
});
