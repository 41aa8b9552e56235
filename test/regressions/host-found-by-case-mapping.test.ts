import { describe, expect, it } from 'vitest';
import { buildAppTable } from '../../src/routing/app-table.ts';
import { app } from '../lab/resources.ts';

/**
 * fast-uri CVE-2026-13676, http-proxy-middleware CVE-2026-55602, Node CVE-2026-48928: the host that policy saw and the host
 * that was dialled were made comparable in different ways, by substring, by Unicode case mapping, by one parser's idea of
 * where a host ends. `toLowerCase` turns the Kelvin sign (U+212A) into `k`, so that `ban` + U+212A + `.example.org` passes a
 * filter that knows only `bank.example.org` and is then routed to it; `bank.example.org.evil.net` contains the name.
 * Here a host is found by being equal to it in ASCII, but for case, or not at all.
 */
const bank = app({ name: 'bank', host: 'bank.example.org' });
const table = buildAppTable([bank]);

describe('a host that only resembles one', () => {
  it.each([
    ['the Kelvin sign', 'ban\u212A.example.org'],
    ['full-width letters', '\uFF42ank.example.org'],
    ['a soft hyphen', 'ba\u00ADnk.example.org'],
    ['an ideographic full stop', 'bank\u3002example.org'],
    ['a name that goes on', 'bank.example.org.evil.net'],
    ['a name that begins before', 'evil-bank.example.org'],
    ['a user before it', 'evil@bank.example.org'],
    ['a port in it', 'bank.example.org:443'],
    ['a dot behind it', 'bank.example.org.'],
    ['a null behind it', 'bank.example.org\0'],
    ['a percent sign', 'ban%6B.example.org'],
  ])('by %s leads nowhere', (_, host) => {
    expect([table.find(host, 443), table.find(host), table.hasHost(host)]).toEqual([
      undefined,
      undefined,
      false,
    ]);
  });

  it('and the host itself is found, in whatever case', () => {
    expect(table.find('bank.example.org', 443)).toBe(bank);
    expect(table.find('BANK.EXAMPLE.ORG', 443)).toBe(bank);
  });
});
