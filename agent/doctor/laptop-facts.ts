import { X509Certificate } from 'node:crypto';
import { getServers } from 'node:dns';
import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { arch, networkInterfaces, platform, release, version } from 'node:os';
import { join } from 'node:path';
import type { StatePaths } from '../state/state-directory.ts';
import { agentVersion } from '../version.ts';

export const versionFacts = (): object => ({
  agent: agentVersion,
  node: process.versions.node,
  openssl: process.versions.openssl,
  system: { platform: platform(), release: release(), version: version(), arch: arch() },
});

/** How the laptop is connected. No hardware addresses: they name it to others, and tell nobody anything here. */
export const networkFacts = (
  environment: Readonly<Record<string, string | undefined>>,
  now: Date,
): object => ({
  time: now.toISOString(),
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  interfaces: Object.entries(networkInterfaces()).map(([name, addresses]) => ({
    name,
    addresses: (addresses ?? []).map(({ cidr, internal }) => ({ cidr, internal })),
  })),
  resolvers: getServers(),
  proxies: Object.fromEntries(
    Object.entries(environment).filter(([name]) => /^(https?|all|no)_proxy$/i.test(name)),
  ),
});

/** Names, sizes and modes of the state directory: never what is in the files. */
export const fileFacts = ({ directory }: StatePaths): object =>
  readdirSync(directory)
    .toSorted()
    .map((name) => {
      const { size, mode, mtime, uid } = lstatSync(join(directory, name));
      const isOurs = uid === (process.geteuid?.() ?? uid);
      return {
        name,
        size,
        mode: (mode & 0o7777).toString(8).padStart(4, '0'),
        changed: mtime.toISOString(),
        isOurs,
      };
    });

/** Certificates are public; of the chain the first is the one that matters. */
export function certificateFacts(path: string): object {
  try {
    const { subject, issuer, serialNumber, validFrom, validTo, fingerprint256, subjectAltName } =
      new X509Certificate(readFileSync(path));
    return { subject, issuer, serialNumber, validFrom, validTo, fingerprint256, subjectAltName };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}
