import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildAppTable } from '../../src/routing/app-table.ts';
import { app } from '../lab/resources.ts';

const grants = app();
const ssh = app({
  name: 'admin',
  host: 'admin.example.org',
  protocol: 'ssh',
  ports: [22, 2222],
  upstreams: ['tcp://10.0.0.2:22'],
});
const database = app({
  name: 'db',
  host: 'admin.example.org',
  protocol: 'postgres',
  ports: [5432],
  upstreams: ['tcp://10.0.0.2:5432'],
});
const table = buildAppTable([grants, ssh, database]);

describe('the table of apps', () => {
  it('finds an http app at 443 and 80, and not at another port', () => {
    expect(table.find('grants.apps.example.org', 443)).toBe(grants);
    expect(table.find('grants.apps.example.org', 80)).toBe(grants);
    expect(table.find('grants.apps.example.org', 8080)).toBeUndefined();
    expect(table.hasHost('grants.apps.example.org')).toBe(true);
  });

  it('finds apps of one host by port, each its own, and none by another port', () => {
    expect(table.find('admin.example.org', 2222)).toBe(ssh);
    expect(table.find('admin.example.org', 5432)).toBe(database);
    expect(table.find('admin.example.org', 443)).toBeUndefined();
  });

  it('finds the only app of a host without a port, and none where there are two', () => {
    expect(table.find('grants.apps.example.org')).toBe(grants);
    expect(table.find('admin.example.org')).toBeUndefined();
  });

  it('refuses what is ambiguous, should the ledger ever hold it', () => {
    const twice = buildAppTable([grants, app({ name: 'rival' })]);
    expect(twice.find('grants.apps.example.org', 443)).toBeUndefined();
    expect(twice.hasHost('grants.apps.example.org')).toBe(true);
  });

  it('compares hosts without case, as DNS does, and in no other way', () => {
    expect(table.find('GRANTS.Apps.Example.ORG', 443)).toBe(grants);
    for (const host of [
      'grants.apps.example.org.',
      '.grants.apps.example.org',
      'x.grants.apps.example.org',
      'grants.apps.example.org.evil.net',
      'apps.example.org',
      'grants.apps.example.org:443',
      ' grants.apps.example.org',
      'grants.apps.example.org\0',
      '[grants.apps.example.org]',
      '',
      '__proto__',
    ])
      expect([host, table.find(host, 443), table.hasHost(host)]).toEqual([host, undefined, false]);
  });

  it('finds for any text only what is that text but for the case of ASCII letters', () => {
    const hosts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('grants.apps.example.org').chain(mutations),
    );
    fc.assert(
      fc.property(hosts, (host) => {
        const asciiLower = host.replaceAll(/[A-Z]/g, (letter) =>
          String.fromCharCode(letter.charCodeAt(0) + 32),
        );
        expect(table.find(host, 443) === grants).toBe(asciiLower === grants.host);
      }),
      { numRuns: 2000 },
    );
  });
});

/** One character replaced by any other, among them those that case mapping turns into ASCII letters. */
const mutations = (text: string) =>
  fc
    .tuple(
      fc.nat(text.length - 1),
      fc.oneof(fc.string({ unit: 'binary', maxLength: 1 }), fc.constantFrom('K', 'ſ', 'İ', 'G')),
    )
    .map(([at, character]) => text.slice(0, at) + character + text.slice(at + 1));
