/**
 * node-forge CVE-2026-33896 and CVE-2025-12816: a leaf was taken for an authority, and one piece of ASN.1 was read in
 * two ways by its parser and by its validator. A library that reads certificates in JavaScript may write them for us
 * (`@peculiar/x509` issues, `node-forge` packs for device management); whether one is believed is OpenSSL's to say.
 * The test reads the imports of everything we ship: the ways on which a certificate or a request is judged use no such
 * library at all, and those that issue never ask theirs to verify.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const importOf =
  /(?:^|\n)\s*(?:import|export)\s(?:type\s)?[^'";]*?from\s*'([^']+)'|(?:^|\n)\s*import\s*'([^']+)'|import\(\s*'([^']+)'/g;

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const importsOf = (file: string): string[] =>
  [...read(file).matchAll(importOf)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

/** The packages that a file loads, over all files of ours that it loads. */
function packagesBehind(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(file)) return packages;
  seen.add(file);
  for (const specifier of importsOf(file)) {
    if (!specifier.startsWith('.')) packages.add(specifier);
    else {
      const next = relative(root, join(root, dirname(file), specifier));
      for (const name of packagesBehind(next, seen)) packages.add(name);
    }
  }
  return packages;
}
const shipped = ['src', 'agent', 'certs'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
);
const certificateLibraries = ['node-forge', '@peculiar/x509', 'pkijs', 'asn1js', 'jsrsasign'];

describe('a certificate', () => {
  it.each(['certs/device-certificate.ts', 'src/identity/device-identity.ts'])(
    'is judged in %s without any library that reads certificates',
    (file) => {
      const packages = packagesBehind(file);
      expect(packages).toContain('node:crypto');
      for (const library of certificateLibraries) expect(packages).not.toContain(library);
    },
  );

  it('is issued with one library, which the test does find', () => {
    expect(packagesBehind('certs/authority.ts')).toContain('@peculiar/x509');
  });

  it('is never verified or chained by that library, which one file alone loads', () => {
    const loading = (library: string): string[] =>
      shipped.filter((file) => importsOf(file).includes(library));
    expect(loading('@peculiar/x509')).toEqual(['certs/x509-library.ts']);
    for (const library of ['pkijs', 'asn1js', 'jsrsasign']) expect(loading(library)).toEqual([]);
    const users = shipped.filter((file) => importsOf(file).some((name) => name.endsWith('/x509-library.ts')));
    expect(users.length).toBeGreaterThan(0);
    const verifying = users.filter((file) => /X509ChainBuilder|\.verify\(/.test(read(file)));
    expect(verifying).toEqual([]);
  });

  it('and a signature are nothing to node-forge either, which one file loads and the formats of certs/ use', () => {
    expect(shipped.filter((file) => importsOf(file).includes('node-forge'))).toEqual([
      'certs/forge-library.ts',
    ]);
    const users = shipped.filter((file) =>
      importsOf(file).some((name) => name.endsWith('/forge-library.ts')),
    );
    expect(users).toContain('certs/pkcs12.ts');
    for (const file of users) {
      expect(file).toMatch(/^certs\//);
      const text = read(file);
      expect(text).not.toMatch(/CaStore|verifyCertificateChain|\.verify\(|\.issued\(|isIssuer/);
    }
  });
});
