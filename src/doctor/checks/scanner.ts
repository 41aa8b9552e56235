import type { App } from '../../domain/resources.ts';
import { askVersion } from '../../gateway/malware/clamd-scanner.ts';
import { askOptions } from '../../gateway/malware/icap-scanner.ts';
import { parseScannerAddress } from '../../gateway/malware/scanner-socket.ts';
import { parseIcapUrl } from '../../inspection/malware/icap-protocol.ts';
import type { RunAs } from '../../supervisor/commands.ts';
import { mayOpenSocket } from '../../supervisor/may-reach.ts';
import type { Check, Finding } from '../finding.ts';
import { ok, someOf, unknown } from '../finding.ts';

const dayMs = 86_400_000;
/** New signatures come every day. */
const oldAfterDays = 3;
const askMs = 2000;

/** Whether the scanner that applications want their contents scanned by answers, and how old its signatures are. */
export const scannerCheck: Check = {
  name: 'scanner',
  limitMs: 5000,
  async run({ state, settings, now }) {
    if ('problem' in state) return unknown('the ledger cannot be read');
    const asking = [...state.apps.values()].filter(({ inspect }) => inspect?.includes('malware') === true);
    if (asking.length === 0) return ok('no application asks for one');
    const scanner = settings.inspection?.malware;
    if (scanner === undefined)
      return missed(asking, 'name one as inspection.malware in postern.yaml (docs/malware.md)');
    if (!('clamd' in scanner)) return lookAtIcap(scanner.icap, asking);
    const { runAs } = settings;
    const found = await lookAtClamd(scanner.clamd, asking, now);
    return runAs !== undefined && isBarred(scanner.clamd, runAs)
      ? [...found.filter(({ level }) => level !== 'ok'), ...missed(asking, howToLetIn(scanner.clamd, runAs))]
      : found;
  },
};

/** Whoever asks here is somebody else, such as root. */
function isBarred(clamd: string, runAs: RunAs): boolean {
  try {
    return clamd.startsWith('/') && !mayOpenSocket(clamd, runAs);
  } catch {
    // It is not there, or we cannot see it either: that it does not answer was said.
    return false;
  }
}

const howToLetIn = (clamd: string, { uid, gid }: RunAs): string =>
  `workers (runAs: user ${uid}, group ${gid}, and no other group) may not open ${clamd}: in clamd.conf let LocalSocketGroup be that group with LocalSocketMode 660, or LocalSocketMode be 666`;

async function lookAtClamd(clamd: string, asking: readonly App[], now: number): Promise<readonly Finding[]> {
  const version = await askVersion(parseScannerAddress(clamd), askMs);
  if ('kind' in version)
    return missed(
      asking,
      `clamd at ${clamd} does not answer (${version.detail}): start it, and let workers open its socket (docs/malware.md)`,
    );
  const { engine, database } = version;
  if (database === undefined)
    return [
      {
        level: 'hint',
        what: `${engine} has only signatures of its own: nobody can tell how old they are, and no verdict is remembered`,
        how: 'install clamav-freshclam, which fetches those of its makers',
      },
    ];
  const days = Math.floor((now - database.builtAt) / dayMs);
  if (days >= oldAfterDays)
    return [
      {
        level: 'warning',
        what: `signatures of ${engine} are ${days} days old (number ${database.number}): what is newer is not found`,
        how: 'see why freshclam fetches none: systemctl status clamav-freshclam',
      },
    ];
  return ok(
    `${engine} answers, with signatures number ${database.number}, for ${asking.length} applications`,
  );
}

async function lookAtIcap(url: string, asking: readonly App[]): Promise<readonly Finding[]> {
  const options = await askOptions(parseIcapUrl(url), askMs);
  if ('kind' in options)
    return missed(asking, `${url} does not answer (${options.detail}): start that service`);
  return ok(`${url} answers, for ${asking.length} applications; it does not say how old its signatures are`);
}

/** What comes of a scanner that is not there. */
function missed(asking: readonly App[], how: string): readonly Finding[] {
  const passing = asking.filter(({ malware }) => malware?.whenUnavailable === 'pass');
  const refusing = asking.filter((app) => !passing.includes(app));
  const found = (level: Finding['level'], apps: readonly App[], what: string): Finding[] =>
    apps.length === 0 ? [] : [{ level, what: `${what}: ${someOf(apps.map(({ name }) => name))}`, how }];
  return [
    ...found('error', refusing, 'no scanner: contents to and from these applications are refused'),
    ...found('warning', passing, 'no scanner: contents pass unscanned to and from these applications'),
  ];
}
