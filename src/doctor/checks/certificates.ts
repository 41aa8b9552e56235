import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { connect } from 'node:tls';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';
import { reachableHost } from '../read-server.ts';

const dayMs = 86_400_000;

/** Authorities are renewed by people, who need time; what is served is renewed by itself at two thirds of its life. */
const limits = { authority: 180 * dayMs, served: 3 * dayMs, scep: 90 * dayMs };

const renewsItself = 'it renews itself; restart the server, and see its log for why it did not';
/** All are made and renewed by one part of the gateway: some tell how it does, and each look is a handshake. */
const mostApps = 5;

/** Which of our certificates have expired or are about to: those on disk, and what the running server shows, for some apps too. */
export const certificatesCheck: Check = {
  name: 'certificates',
  limitMs: 6000,
  async run(facts) {
    const found: Finding[] = [];
    // Those of init, and of whatever authority was made since.
    const files = readdirSync(join(facts.directory, 'certs')).filter((name) => name.endsWith('.crt'));
    for (const file of files) {
      const name = basename(file, '.crt').replaceAll('-', ' ');
      const certificate = new X509Certificate(readFileSync(join(facts.directory, 'certs', file)));
      found.push(
        ...judge(
          `certificate of the ${name}`,
          certificate,
          facts.now,
          limits.authority,
          'plan new authorities: the root key signs them, and agents must get a new root in time',
        ),
      );
    }
    const scep = newestOfScep(facts);
    if (scep !== undefined)
      found.push(
        ...judge(
          'certificate of SCEP',
          scep,
          facts.now,
          limits.scep,
          'it renews itself; start the server, and see its log for why it did not',
        ),
      );
    for (const what of facts.server === undefined ? [] : (['gateway', 'control'] as const)) {
      const shown = await showCertificate(facts, what);
      if (shown === undefined) continue;
      found.push(...judge(`certificate that ${what} shows`, shown, facts.now, limits.served, renewsItself));
    }
    for (const { name, host } of facts.server === undefined ? [] : someApps(facts)) {
      const shown = await showCertificate(facts, 'gateway', host);
      // The gateway's own, where it does not know the app (yet).
      if (shown?.checkHost(host) === undefined) continue;
      found.push(...judge(`certificate of app ${name}`, shown, facts.now, limits.served, renewsItself));
    }
    return found.length > 0 ? found : ok('none expires soon');
  },
};

/** Those before it are good until their end, which is nobody's concern. */
function newestOfScep({ settings, directory }: DoctorFacts): X509Certificate | undefined {
  const folder = join(directory, dataDirectory.scepCertificates);
  if (settings.scep !== true || !existsSync(folder)) return undefined;
  return readdirSync(folder)
    .filter((name) => name.endsWith('.crt'))
    .map((name) => new X509Certificate(readFileSync(join(folder, name))))
    .toSorted((a, b) => Date.parse(b.validTo) - Date.parse(a.validTo))[0];
}

function someApps({ state }: DoctorFacts): { readonly name: string; readonly host: string }[] {
  if ('problem' in state) return [];
  const apps = [...state.apps.values()].filter(({ protocol }) => protocol === 'http');
  const step = Math.max(1, Math.floor(apps.length / mostApps));
  return apps.filter((_, index) => index % step === 0).slice(0, mostApps);
}

function judge(
  name: string,
  { validFrom, validTo }: X509Certificate,
  now: number,
  soonMs: number,
  how: string,
): Finding[] {
  const left = Date.parse(validTo) - now;
  if (Date.parse(validFrom) > now)
    return [
      {
        level: 'error',
        what: `the ${name} is not valid before ${validFrom}`,
        how: "set this machine's clock",
      },
    ];
  if (left <= 0) return [{ level: 'error', what: `the ${name} has expired on ${validTo}`, how }];
  if (left > soonMs) return [];
  return [
    { level: 'warning', what: `the ${name} expires in ${Math.floor(left / dayMs)} days, on ${validTo}`, how },
  ];
}

/** Undefined where it does not listen here, such as with another role, or at a port of its own choice. */
async function showCertificate(
  { settings }: DoctorFacts,
  what: 'gateway' | 'control',
  name = what === 'gateway' ? settings.gateway.name : 'localhost',
): Promise<X509Certificate | undefined> {
  const { listen, port } = settings[what];
  if (port === 0) return undefined;
  // Not verified: what it shows is what is looked at.
  const socket = connect({
    host: reachableHost(listen),
    port,
    servername: name,
    rejectUnauthorized: false,
  });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(2000) });
    return socket.getPeerX509Certificate();
  } catch {
    return undefined;
  } finally {
    socket.on('error', () => undefined);
    socket.destroy();
  }
}
