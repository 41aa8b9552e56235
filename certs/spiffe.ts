/** What the last path segment may be: one way to write it, and nothing that a URI parser would fold or decode. */
const idPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export type SpiffeKind = 'device' | 'connector';

export const isSpiffeId = (id: string): boolean => idPattern.test(id);

/** The SPIFFE identifier in the certificate of a device. Throws TypeError for an id that is not one plain segment. */
export function spiffeUri(domain: string, kind: SpiffeKind, id: string): string {
  if (!isSpiffeId(id)) throw new TypeError('not a device id');
  return `spiffe://${domain}/${kind}/${id}`;
}

/**
 * Reads an identifier of our own domain by exact comparison. No URI parser is asked: those decode `%2e`, fold case
 * and resolve `..`, and two of them never agree. Anything else is undefined.
 */
export function parseSpiffeUri(uri: string, domain: string): { kind: SpiffeKind; id: string } | undefined {
  for (const kind of ['device', 'connector'] as const) {
    const prefix = `spiffe://${domain}/${kind}/`;
    if (!uri.startsWith(prefix)) continue;
    const id = uri.slice(prefix.length);
    if (isSpiffeId(id)) return { kind, id };
  }
  return undefined;
}
