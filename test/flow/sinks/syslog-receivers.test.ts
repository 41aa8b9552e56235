import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { SyslogSinkSettings } from '../../../src/contract/sinks.ts';
import type { ResolvedTls } from '../../../src/flow/sinks/resolved-sink.ts';
import { makeOrganization } from '../../lab/pki.ts';
import type { LabCertificate, Organization } from '../../lab/pki.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { startRsyslog, startSyslogBy, startSyslogNg, syslogMissing } from '../../lab/servers/syslog.ts';
import type { SyslogReceiver, SyslogTlsFiles } from '../../lab/servers/syslog.ts';
import { recordEveryKind } from '../every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered } from '../samples.ts';
import { delivered, eventually, makeDirectory, ship } from '../shipper/shipping.ts';

const settingsFor = (port: number, more: Partial<SyslogSinkSettings> = {}): SyslogSinkSettings => ({
  name: 'soc',
  type: 'syslog',
  from: 'beginning',
  format: 'ocsf',
  host: '127.0.0.1',
  port,
  facility: 'local0',
  resendSeconds: 1,
  ...more,
});
const uidOf = (line: string): string => (JSON.parse(line) as { metadata: { uid: string } }).metadata.uid;

const receivers = [
  ['rsyslog', startRsyslog],
  ['syslog-ng', startSyslogNg],
] as const;

describe.skipIf(syslogMissing !== '')(`syslog at real receivers${syslogMissing}`, () => {
  let organization: Organization;
  let server: LabCertificate;
  let client: LabCertificate;
  beforeAll(async () => {
    organization = await makeOrganization();
    [server, client] = [await organization.issueControl(), await organization.issueDevice()];
  });

  async function start(
    launch: (tls?: SyslogTlsFiles) => Promise<SyslogReceiver>,
    isEncrypted: boolean,
  ): Promise<SyslogReceiver> {
    const directory = makeDirectory();
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const receiver = await launch(
      isEncrypted
        ? {
            ca: file('ca.pem', organization.deviceAuthorityPem),
            certificate: file('server.pem', server.chainPem),
            key: file('server.key', server.keyPem),
          }
        : undefined,
    );
    onTestFinished(() => receiver.stop());
    return receiver;
  }
  const mutualTls = (): ResolvedTls => ({
    ca: organization.rootPem,
    certificate: client.chainPem,
    key: client.keyPem,
  });

  describe.each(receivers)('%s', (_, launch) => {
    test.each([
      ['over TCP', false],
      ['over mutual TLS', true],
    ] as const)('%s it reads each record whole, with its structured data', async (_way, isEncrypted) => {
      const receiver = await start(launch, isEncrypted);
      const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
      const recorder = openRecorder(flows);
      recordEveryKind(recorder);
      await whenWritten(recorder);
      const shipper = await ship(flows, sinks, [
        { settings: settingsFor(receiver.port), ...(isEncrypted ? { tls: mutualTls() } : {}) },
      ]);
      const lines = linesIn(flows);
      await eventually(() => receiver.received().length >= lines.length);
      expect(receiver.received().map(({ text }) => text)).toEqual(lines);
      expect(receiver.received().map(({ uid }) => uid)).toEqual(lines.map(uidOf));
      expect(receiver.received()[0]).toMatchObject({
        host: 'gateway.example.org',
        program: 'postern',
        processId: 'worker-1',
        messageId: '3002',
      });
      await delivered(shipper);
      expect(shipper.troubles).toEqual([]);
    });

    test('what it was killed with is sent again after it is back, and nothing is missing', async () => {
      const receiver = await start(launch, true);
      const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
      const recorder = openRecorder(flows);
      const recordSome = async (): Promise<void> => {
        for (let index = 0; index < 100; index += 1) recorder.request(allowedFacts, answered);
        await whenWritten(recorder);
      };
      await recordSome();
      const shipper = await ship(flows, sinks, [{ settings: settingsFor(receiver.port), tls: mutualTls() }]);
      await eventually(() => receiver.received().length > 0);
      await receiver.kill();
      await recordSome();
      await eventually(() => shipper.troubles.length > 0);
      await receiver.restart();
      const uids = linesIn(flows).map(uidOf);
      await eventually(() => {
        const received = new Set(receiver.received().map(({ uid }) => uid));
        return uids.every((uid) => received.has(uid));
      });
      await delivered(shipper);
    });
  });

  test.each(['rsyslog', 'syslog-ng'] as const)('the guide configures %s', async (program) => {
    const guide = readFileSync(new URL('../../../docs/sinks.md', import.meta.url), 'utf8');
    const [, written = ''] = new RegExp(`\`\`\`conf ${program}\\n(.*?)\`\`\``, 's').exec(guide) ?? [];
    expect(written).not.toBe('');
    const receiver = await startSyslogBy(program, (directory, port) => {
      writeFileSync(join(directory, 'ca.pem'), organization.deviceAuthorityPem);
      writeFileSync(join(directory, 'server.pem'), server.chainPem);
      writeFileSync(join(directory, 'server.key'), server.keyPem);
      return written
        .replaceAll(/"\/etc\/.*\/postern\//g, `"${directory}/`)
        .replaceAll('/var/log', directory)
        .replaceAll('6514', String(port));
    });
    onTestFinished(() => receiver.stop());
    const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
    const recorder = openRecorder(flows);
    recordEveryKind(recorder);
    await whenWritten(recorder);
    await ship(flows, sinks, [{ settings: settingsFor(receiver.port), tls: mutualTls() }]);
    const file = join(receiver.directory, 'postern-records.jsonl');
    const lines = (): string[] =>
      existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
    await eventually(() => lines().length >= linesIn(flows).length);
    expect(lines()).toEqual(linesIn(flows));
  });

  test.each([
    ['of another authority', { ca: 'device' }, /certificate/],
    ['of another name', { serverName: 'siem.example.org' }, /siem\.example\.org|altnames/],
    ['that is not pinned', { pinnedCertificates: ['0'.repeat(64)] }, /none of those that are pinned/],
  ] as const)(
    'a receiver with a certificate %s gets nothing, and the pinned one does',
    async (_, more, why) => {
      const receiver = await start(startRsyslog, true);
      const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
      const recorder = openRecorder(flows);
      recorder.request(allowedFacts, answered);
      await whenWritten(recorder);
      const ca = 'ca' in more ? { ca: organization.deviceAuthorityPem } : {};
      const pinned = createHash('sha256')
        .update(new X509Certificate(server.certificatePem).raw)
        .digest('hex');
      const shipper = await ship(flows, sinks, [
        { settings: settingsFor(receiver.port, { name: 'wrong' }), tls: { ...mutualTls(), ...more, ...ca } },
        { settings: settingsFor(receiver.port), tls: { ...mutualTls(), pinnedCertificates: [pinned] } },
      ]);
      await eventually(() => receiver.received().length === 1);
      await eventually(async () => (await shipper.health())[0]?.problem !== undefined);
      expect((await shipper.health())[0]?.problem).toMatch(why);
      await eventually(async () => (await shipper.health())[1]?.lagRecords === 0);
      expect(receiver.received()).toHaveLength(1);
    },
  );
});
