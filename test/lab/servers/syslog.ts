import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '../../../src/control/free-port.ts';
import { keepServer } from './kept-server.ts';
import { spawnWithUs } from '../spawn-with-us.ts';

const rsyslog = '/usr/sbin/rsyslogd';
/** As a package it excludes rsyslog, so that it may also be only unpacked: `.ci/run` does so. */
const unpacked = '/opt/syslog-ng';
const syslogNg = ['/usr/sbin/syslog-ng', `${unpacked}/usr/sbin/syslog-ng`].find((path) => existsSync(path));

/** What to install where one of the two is missing; empty where both are there. */
export const syslogMissing =
  existsSync(rsyslog) &&
  existsSync('/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so') &&
  syslogNg !== undefined
    ? ''
    : ' (skipped: apt-get install rsyslog rsyslog-openssl, and syslog-ng-core unpacked in /opt/syslog-ng as .ci/run does)';

/** Files of a receiver that asks for client certificates. */
export interface SyslogTlsFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** A message as the receiver understood it. */
export interface ReceivedMessage {
  readonly priority: string;
  readonly host: string;
  readonly program: string;
  readonly processId: string;
  readonly messageId: string;
  /** Of our structured data, as the receiver read it. */
  readonly uid: string;
  readonly text: string;
}

export interface SyslogReceiver {
  readonly port: number;
  readonly directory: string;
  received(): ReceivedMessage[];
  /** As a power cut would. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Fields are apart by what no message of ours contains. */
const separator = '<|>';

const rsyslogConfig = (directory: string, port: number, tls: SyslogTlsFiles | undefined): string => `
global(
  workDirectory="${directory}" maxMessageSize="64k"
  ${
    tls === undefined
      ? ''
      : `defaultNetstreamDriverCAFile="${tls.ca}" defaultNetstreamDriverCertFile="${tls.certificate}" defaultNetstreamDriverKeyFile="${tls.key}"`
  }
)
module(load="imtcp" ${tls === undefined ? '' : 'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"'})
input(type="imtcp" address="127.0.0.1" port="${port}")
module(load="mmpstrucdata")
action(type="mmpstrucdata")
template(name="fields" type="string" string="%pri%${separator}%hostname%${separator}%app-name%${separator}%procid%${separator}%msgid%${separator}%$!rfc5424-sd!postern@32473!uid%${separator}%msg%\\n")
action(type="omfile" file="${directory}/received" template="fields" flushOnTXEnd="on")
`;

const syslogNgConfig = (directory: string, port: number, tls: SyslogTlsFiles | undefined): string => `
@version: 3.38
options { log-msg-size(65536); flush-lines(1); keep-hostname(yes); };
source s { syslog(ip(127.0.0.1) port(${port}) ${
  tls === undefined
    ? 'transport("tcp")'
    : `transport("tls") tls(key-file("${tls.key}") cert-file("${tls.certificate}") ca-file("${tls.ca}") peer-verify(required-trusted))`
}); };
destination d { file("${directory}/received" template("\${PRI}${separator}\${HOST}${separator}\${PROGRAM}${separator}\${PID}${separator}\${MSGID}${separator}\${.SDATA.postern@32473.uid}${separator}\${MESSAGE}\\n")); };
log { source(s); destination(d); };
`;

async function startReceiver(
  configFor: (directory: string, port: number) => string,
  launch: (directory: string) => ChildProcess,
): Promise<SyslogReceiver> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-syslog-'));
  const port = await findFreePort('127.0.0.1');
  writeFileSync(join(directory, 'config'), configFor(directory, port));
  const server = keepServer(port, () => launch(directory));
  await server.start();
  return {
    port,
    directory,
    received() {
      const path = join(directory, 'received');
      const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
      return lines.map((line) => {
        const [priority = '', host = '', program = '', processId = '', messageId = '', uid = '', ...rest] =
          line.split(separator);
        return { priority, host, program, processId, messageId, uid, text: rest.join(separator) };
      });
    },
    kill: server.kill,
    async restart() {
      for (const file of ['pid', 'persist', 'control']) rmSync(join(directory, file), { force: true });
      await server.start();
    },
    async stop() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function launchRsyslog(directory: string): ChildProcess {
  const args = ['-n', '-f', join(directory, 'config'), '-i', join(directory, 'pid')];
  return spawnWithUs(rsyslog, args, { stdio: 'ignore' });
}

function launchSyslogNg(directory: string): ChildProcess {
  const at = (name: string): string => join(directory, name);
  const isUnpacked = syslogNg?.startsWith(unpacked) === true;
  const modules = isUnpacked ? ['--module-path', `${unpacked}/usr/lib/syslog-ng/3.38`] : [];
  const state = ['-R', at('persist'), '-p', at('pid'), '-c', at('control')];
  return spawnWithUs(syslogNg ?? '', ['-F', '--no-caps', '-f', at('config'), ...state, ...modules], {
    stdio: 'ignore',
    env: isUnpacked ? { LD_LIBRARY_PATH: `${unpacked}/usr/lib/syslog-ng` } : {},
  });
}

export const startRsyslog = (tls?: SyslogTlsFiles): Promise<SyslogReceiver> =>
  startReceiver((directory, port) => rsyslogConfig(directory, port, tls), launchRsyslog);

export const startSyslogNg = (tls?: SyslogTlsFiles): Promise<SyslogReceiver> =>
  startReceiver((directory, port) => syslogNgConfig(directory, port, tls), launchSyslogNg);

/** With a configuration as the guide has it. */
export const startSyslogBy = (
  program: 'rsyslog' | 'syslog-ng',
  configFor: (directory: string, port: number) => string,
): Promise<SyslogReceiver> =>
  startReceiver(configFor, program === 'rsyslog' ? launchRsyslog : launchSyslogNg);
