import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SettingsError, parseSettings } from '../../../src/control/settings-file.ts';
import { settingsTemplate } from '../../../src/cli/settings-template.ts';
import { SinkFilesError, resolveSinks } from '../../../src/flow/sinks/resolve-sinks.ts';
import type { SplunkSinkSettings, SyslogSinkSettings } from '../../../src/contract/sinks.ts';
import { makeOrganization } from '../../lab/pki.ts';
import { fileSink, makeDirectory } from '../shipper/shipping.ts';

const template = settingsTemplate({ domain: 'example.org', controlNames: ['localhost'] });
function problemsOf(sinks: string): readonly string[] {
  try {
    parseSettings(`${template}sinks:\n${sinks}`, 'postern.yaml');
    return [];
  } catch (error) {
    if (error instanceof SettingsError)
      return error.problems.map((problem) => problem.replace(/^[^ ]+ /, ''));
    throw error;
  }
}
const common = 'from: now, format: ocsf';
const file = `{ name: a, type: file, ${common}, path: records.jsonl, rotateMegabytes: 100 }`;

test('the examples in the template are settings that can be used', () => {
  const examples = template
    .slice(template.indexOf('# sinks:'))
    .split('\n')
    .filter((line) => line.startsWith('#'))
    .map((line) => line.replace(/^# ?/, ''))
    .filter((line) => !/^[A-Z]/.test(line))
    .join('\n');
  const before = template.slice(0, template.indexOf('# sinks:'));
  const after = template.slice(template.indexOf('\nlog:'));
  const { sinks } = parseSettings(`${before}${examples}\n${after}`, 'postern.yaml');
  expect(sinks?.map(({ type }) => type)).toEqual(['archive', 'file', 'syslog', 'detections']);
});

test.each([
  [
    `  - { name: a, type: flie, ${common} }`,
    [
      'sinks[0].type: must be one of file, syslog, elasticsearch, splunk, loki, redis, nats, archive, detections, s3, not text "flie"; did you mean file?',
    ],
  ],
  [
    `  - { name: a, ${common} }`,
    [
      'sinks[0]: `type` is missing (one of file, syslog, elasticsearch, splunk, loki, redis, nats, archive, detections, s3)',
    ],
  ],
  [`  - { name: a, type: file, ${common}, path: x }`, ['sinks[0]: `rotateMegabytes` is missing']],
  [
    `  - ${file}\n  - ${file}`,
    [
      'sinks[1].name: a is listed twice',
      'sinks[1].path: is written by a already: give each a file of its own',
    ],
  ],
  [
    `  - ${file}\n  - { name: b, type: file, ${common}, path: ./records-access.jsonl, rotateMegabytes: 100, records: access }`,
    ['sinks[1].path: is written by a already: give each a file of its own'],
  ],
  [
    `  - { name: a, type: file, ${common}, path: records.jsonl, rotateMegabytes: 100, records: flows }\n  - { name: b, type: file, ${common}, path: records-access.jsonl, rotateMegabytes: 100, records: access }`,
    [],
  ],
  [
    `  - { name: a, type: file, ${common}, path: x, rotateMegabytes: 1, redact: { remove: [api.operation, api.operatoin] } }`,
    ['sinks[0].redact.remove[1]: flow records have no member api.operatoin'],
  ],
  [
    `  - { name: a, type: file, ${common}, path: x, rotateMegabytes: 1, redact: { remove: [unmapped, unmapped.postern.previous, unmapped.postern.context], mask: [unmapped.postern.workerStartedAt] } }`,
    ['remove[0]: unmapped', 'mask[0]: unmapped.postern.workerStartedAt'].map(
      (member) =>
        `sinks[0].redact.${member} must stay: by it a receiver tells what is missing, and what came twice`,
    ),
  ],
  [
    `  - { name: a, type: archive, ${common}, flushSeconds: 5, records: flows }`,
    ['sinks[0].records: is not for archive, which takes each record, as it is'],
  ],
  [
    `  - { name: a, type: file, ${common}, path: x, rotateMegabytes: 1, redact: { mask: [http_request.user_agnt], remove: [metadata.uid, http_request.user_agent, unmapped.postern.posture.measuredAt] } }`,
    [
      'sinks[0].redact.mask[0]: flow records have no member http_request.user_agnt',
      'sinks[0].redact.remove[0]: metadata.uid must stay: receivers work by it',
    ],
  ],
  [
    `  - { name: a, type: syslog, ${common}, host: h, port: 6514, facility: local0, resendSeconds: 5, tls: { keyFile: k } }`,
    ['sinks[0].tls: has one of certificateFile and keyFile, and needs both or none'],
  ],
  [
    `  - { name: a, type: file, ${common}, path: x, rotateMegabytes: 1, filter: { onyl: refusals } }`,
    ['sinks[0].filter.onyl: unknown key `onyl`; did you mean `only`?'],
  ],
  [
    `  - { name: a, type: elasticsearch, from: now, format: cef, url: 'http://es.example.org:9200', index: a, timeoutSeconds: 5, tls: {} }`,
    [
      'sinks[0].url: must be https: records and secrets would pass in clear',
      'sinks[0].tls: is for https, and the URL is http',
      'sinks[0].format: must be ecs or ocsf: documents are JSON',
    ],
  ],
  [
    `  - { name: a, type: redis, ${common}, redis: { prefix: postern, username: u } }`,
    [
      'sinks[0].redis: needs exactly one of `url`, `sentinels` (with `master`) and `cluster`',
      'sinks[0].redis.username: needs `passwordFile` beside it',
    ],
  ],
  [
    `  - { name: a, type: nats, ${common}, servers: [nats.example.org], subject: 'a.*', timeoutSeconds: 5 }`,
    [
      'sinks[0].servers[0]: "nats.example.org" does not fit: HOST:PORT, an IPv6 address in brackets',
      'sinks[0].subject: "a.*" does not fit: words with dots between them, such as postern.records',
    ],
  ],
  [`  - { name: a, type: loki, ${common}, url: 'http://127.0.0.1:3100', timeoutSeconds: 5 }`, []],
  [
    `  - { name: a, type: archive, from: now, format: ecs, flushSeconds: 30, filter: { only: refusals } }
  - { name: b, type: archive, from: now, format: ocsf, flushSeconds: 30 }`,
    [
      'sinks[0].format: must be ocsf: archive takes records as they are',
      'sinks[0].filter: is not for archive, which takes each record, as it is',
      'sinks[1].type: archive is there already: a data directory has one',
    ],
  ],
  [
    `  - { name: a, type: s3, from: now, format: cef, url: 'http://s3.example.org', region: eu-west-3, bucket: Records, pathStyle: true, accessKeyId: a, secretKeyFile: b, flushMinutes: 60, maxMegabytes: 64, timeoutSeconds: 30 }`,
    [
      'sinks[0].bucket: "Records" does not fit: the name of a bucket',
      'sinks[0].flushMinutes: must lie between 1 and 50, not 60',
    ],
  ],
  [
    `  - { name: a, type: s3, from: now, format: cef, url: 'http://s3.example.org', region: eu-west-3, bucket: records, pathStyle: true, accessKeyId: a, secretKeyFile: b, flushMinutes: 30, maxMegabytes: 64, timeoutSeconds: 30, redact: { mask: [unmapped.postern.boot, actor.user.name] } }`,
    [
      'sinks[0].redact.mask[0]: unmapped.postern.boot must stay: by it a receiver tells what is missing, and what came twice',
      'sinks[0].url: must be https: records and secrets would pass in clear',
      'sinks[0].format: must be ocsf: s3 takes records as they are',
    ],
  ],
])('%s is refused with each problem', (sinks, problems) => {
  expect(problemsOf(sinks)).toEqual(problems);
});

test('the secret is the first line of its file, and of no file that all can read', () => {
  const directory = makeDirectory();
  const splunk: SplunkSinkSettings = {
    name: 'splunk',
    type: 'splunk',
    from: 'now',
    format: 'ocsf',
    url: 'https://splunk.example.org:8088',
    timeoutSeconds: 30,
    tokenFile: 'token',
    acknowledge: true,
  };
  const write = (text: string, mode = 0o600): void => {
    writeFileSync(join(directory, 'token'), text);
    chmodSync(join(directory, 'token'), mode);
  };
  write('abc-123\nanything\n');
  expect(resolveSinks([splunk], directory)).toEqual([{ settings: splunk, secret: 'abc-123' }]);
  write('abc-123\n', 0o644);
  expect(() => resolveSinks([splunk], directory)).toThrow(/token can be read by every user/);
  write('gehöht\n');
  expect(() => resolveSinks([splunk], directory)).toThrow(/does not begin with a line of printable ASCII/);
});

test('files that a sink names are read beside the settings file, and each that cannot be used is told', async () => {
  const directory = makeDirectory();
  const organization = await makeOrganization();
  const [client, other] = [await organization.issueDevice(), await organization.issueDevice()];
  const write = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(join(directory, name), text);
    chmodSync(join(directory, name), mode);
    return name;
  };
  const syslog = (tls: SyslogSinkSettings['tls']): SyslogSinkSettings => ({
    name: 'soc',
    type: 'syslog',
    from: 'now',
    format: 'ocsf',
    host: 'siem.example.org',
    port: 6514,
    facility: 'local0',
    resendSeconds: 5,
    ...(tls === undefined ? {} : { tls }),
  });
  const problems = (tls: SyslogSinkSettings['tls']): readonly string[] => {
    try {
      resolveSinks([syslog(tls)], directory);
      return [];
    } catch (error) {
      return error instanceof SinkFilesError ? error.problems : [String(error)];
    }
  };
  const files = {
    caFile: write('ca.pem', organization.rootPem),
    certificateFile: write('client.pem', client.chainPem),
    keyFile: write('client.key', client.keyPem),
  };
  expect(resolveSinks([syslog(files), fileSink('logs')], directory)).toEqual([
    {
      settings: syslog(files),
      tls: { ca: organization.rootPem, certificate: client.chainPem, key: client.keyPem },
    },
    { settings: fileSink(join(directory, 'logs')) },
  ]);
  expect(problems({ ...files, caFile: 'nowhere.pem' })).toEqual([
    `sink soc: ${directory}/nowhere.pem cannot be read (ENOENT)`,
  ]);
  expect(problems({ ...files, keyFile: write('open.key', client.keyPem, 0o644) })).toEqual([
    `sink soc: ${directory}/open.key can be read by every user: chmod o= it`,
  ]);
  expect(problems({ ...files, keyFile: write('other.key', other.keyPem) })).toEqual([
    expect.stringMatching(/^sink soc: tls: .*mismatch/),
  ]);
  expect(problems({ caFile: write('no.pem', 'nothing') })).toEqual([
    expect.stringMatching(/^sink soc: tls: /),
  ]);
});
