import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRevocationList } from '../../../certs/revocation-list.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import { revokedCertificates } from '../../enrollment/revoked-certificates.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';

const limitMs = 5000;
const mostBytes = 32 * 1024 * 1024;
/** A list is good for a day, and one that is fetched is at most half as old. */
const soonSeconds = 6 * 3600;
/** How late a copy may be with a revocation before it is told of. */
const lateSeconds = 2 * 3600;

const copy =
  'let a timer fetch https://CONTROL:8444/v1/crl/devices.crl every hour, and put it there in one step (docs/devices.md)';

/** Whether the public copy of the revocation list, which stands in device certificates, is ours, in time and complete. */
export const revocationListsCheck: Check = {
  name: 'revocation-list',
  limitMs: limitMs + 3000,
  async run(facts) {
    const url = facts.settings.revocationList?.url;
    if (url === undefined)
      return ok('made whenever it is fetched from the control plane; the settings name no public copy');
    try {
      return await judge(url, await fetchBytes(url), facts);
    } catch (error) {
      return [
        {
          level: 'error',
          what: `the revocation list at ${url} ${(error as Error).message}: whoever looks there refuses every device, or none`,
          how: `${copy}; or correct revocationList.url in the settings`,
        },
      ];
    }
  },
};

async function fetchBytes(url: string): Promise<Buffer> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(limitMs) });
  } catch (error) {
    const { cause, name } = error as Error & { cause?: NodeJS.ErrnoException };
    throw new Error(`cannot be fetched (${cause?.code ?? name})`, { cause: error });
  }
  if (!response.ok || response.body === null)
    throw new Error(`cannot be fetched (status ${response.status})`);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > mostBytes) throw new Error('is larger than any list of ours');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function judge(
  url: string,
  bytes: Buffer,
  { directory, state, now }: DoctorFacts,
): Promise<readonly Finding[]> {
  let list;
  try {
    list = readRevocationList(bytes);
  } catch (error) {
    throw new Error('is no revocation list', { cause: error });
  }
  const authority = readFileSync(join(directory, dataDirectory.deviceAuthorityCertificate), 'utf8');
  if (!list.isSignedBy(authority)) throw new Error('is not signed by our device authority');
  const seconds = now / 1000;
  const { thisUpdate, nextUpdate = Number.NEGATIVE_INFINITY } = list;
  const at = (time: number): string => new Date(time * 1000).toISOString();
  if (nextUpdate <= seconds)
    throw new Error(nextUpdate > 0 ? `has ended on ${at(nextUpdate)}` : 'does not say when it ends');
  if (nextUpdate - seconds < soonSeconds)
    return [{ level: 'warning', what: `the revocation list at ${url} ends on ${at(nextUpdate)}`, how: copy }];
  if ('problem' in state) return ok(`at ${url}, good until ${at(nextUpdate)}; not compared with the ledger`);
  const missing = revokedCertificates(state, Math.floor(seconds), false).filter(
    ({ serial, revokedAt }) => revokedAt < seconds - lateSeconds && !list.serials.has(serial),
  );
  if (missing.length > 0)
    return [
      {
        level: 'error',
        what: `the revocation list at ${url}, of ${at(thisUpdate)}, lacks ${missing.length} certificates that were revoked hours ago`,
        how: copy,
      },
    ];
  return ok(`at ${url}, good until ${at(nextUpdate)}, ${list.serials.size} certificates`);
}
