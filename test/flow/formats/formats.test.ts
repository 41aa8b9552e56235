import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { formats } from '../../../src/flow/formats/format.ts';
import { formatCef } from '../../../src/flow/formats/cef.ts';
import { ecsVersion, formatEcs, toEcs } from '../../../src/flow/formats/ecs.ts';
import { buildGapRecord } from '../../../src/flow/shipper/gap-record.ts';
import { recordsIn } from '../../lab/flow-records.ts';
import type { ReadRecord } from '../../lab/flow-records.ts';
import { recordEveryKind } from '../every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../samples.ts';
import { origin } from '../shipper/shipping.ts';

let every: ReadRecord[];
let allowed: ReadRecord;
let denied: ReadRecord;
beforeEach(async () => {
  const [one, two] = [makeFlowDirectory(), makeFlowDirectory()];
  const recorders = [openRecorder(one), openRecorder(two)] as const;
  recordEveryKind(recorders[0]);
  recorders[1].request(allowedFacts, answered);
  recorders[1].request(deniedFacts, refused);
  for (const recorder of recorders) await whenWritten(recorder);
  every = recordsIn(one);
  [allowed, denied] = recordsIn(two) as [ReadRecord, ReadRecord];
});

/** A reader by the words of the standard: `key=value` pairs, of which a value ends before the next ` key=`. */
function readCef(line: string): { header: string[]; extension: Record<string, string> } {
  const header: string[] = [];
  let rest = line;
  for (let index = 0; index < 7; index += 1) {
    const [whole = '', field = ''] = /^((?:[^\\|]|\\[\\|])*)\|/.exec(rest) ?? [];
    header.push(field.replaceAll(/\\([\\|])/g, '$1'));
    rest = rest.slice(whole.length);
  }
  const extension: Record<string, string> = {};
  for (const [, key = '', value = ''] of rest.matchAll(
    /(?:^| )([A-Za-z0-9]+)=((?:[^\\=]|\\[\\=nr])*)(?=$| [A-Za-z0-9]+=)/g,
  ))
    extension[key] = value.replaceAll(/\\([\\=nr])/g, (_, letter: string) =>
      letter === 'n' ? '\n' : letter === 'r' ? '\r' : letter,
    );
  return { header, extension };
}

describe('ECS', () => {
  test('has the fields of a request under the names of the schema', () => {
    expect(toEcs(allowed)).toMatchObject({
      '@timestamp': '2026-01-05T08:00:00.025Z',
      ecs: { version: ecsVersion },
      event: {
        kind: 'event',
        dataset: 'postern.http',
        category: ['network', 'web'],
        type: ['access', 'allowed'],
        outcome: 'success',
        sequence: 1,
        duration: 25_000_000,
        id: allowed.metadata['uid'],
      },
      observer: { vendor: 'Postern', hostname: 'gateway.example.org' },
      user: { name: 'alice@example.org' },
      host: { id: 'd-7f3a', ip: ['192.0.2.17'], os: { family: 'debian', version: '13' } },
      source: { ip: '192.0.2.17', port: 50_123, bytes: 0 },
      destination: { ip: '10.0.0.2', port: 8080, domain: 'grants.apps.example.org', bytes: 1024 },
      network: { transport: 'tcp', application: 'grants', name: 'finance' },
      http: { version: '1.1', request: { method: 'GET' }, response: { status_code: 200 } },
      url: { domain: 'grants.apps.example.org', path: '/applications/17' },
      tls: { version: '1.3', version_protocol: 'tls', client: { x509: { serial_number: '5A0C33D1' } } },
      related: { user: ['alice@example.org'], ip: ['192.0.2.17', '10.0.0.2'] },
      postern: { app: 'grants', device: 'd-7f3a' },
      ocsf: { class_uid: 4002 },
    });
    expect(toEcs(denied)).toMatchObject({
      event: { type: ['access', 'denied'], outcome: 'failure' },
      postern: { refusal: 'denied' },
    });
  });

  test('puts into categories and types only what the schema allows', () => {
    const categories = [
      'api',
      'authentication',
      'configuration',
      'intrusion_detection',
      'network',
      'session',
      'web',
    ];
    const types = ['access', 'allowed', 'change', 'connection', 'denied', 'end', 'info', 'start'];
    for (const record of every) {
      const { event } = toEcs(record) as { event: { category: string[]; type: string[]; kind: string } };
      expect(categories).toEqual(expect.arrayContaining(event.category));
      expect(types).toEqual(expect.arrayContaining(event.type));
    }
  });

  test('a declared gap is an alert with its range', () => {
    const stream = { worker: 1, startedAt: monday, bootId: 'b' };
    const gap = buildGapRecord({ stream, from: 3, to: 9, reason: 'retention' }, 'soc', origin, monday);
    expect(toEcs(gap)).toMatchObject({
      event: { kind: 'alert', category: ['intrusion_detection'] },
      postern: { gap: { from: 3, to: 9 } },
    });
    expect(readCef(formatCef(gap)).extension).toMatchObject({ cs6: '3-9', cs6Label: 'MissingRecords' });
  });
});

describe('CEF', () => {
  test('has the header and keys of the standard', () => {
    const { header, extension } = readCef(formatCef(denied));
    expect(header).toEqual([
      'CEF:0',
      'Postern',
      'Postern',
      '0.1.0',
      String(denied.type_uid),
      expect.stringMatching(/^HTTP Activity: /),
      '3',
    ]);
    expect(extension).toMatchObject({
      rt: String(monday + 1000),
      externalId: denied.metadata['uid'],
      act: 'Denied',
      outcome: 'failure',
      reason: 'denied',
      src: '192.0.2.17',
      suser: 'alice@example.org',
      dhost: 'grants.apps.example.org',
      destinationServiceName: 'grants',
      in: '0',
      out: '512',
      requestMethod: 'GET',
      request: 'https://grants.apps.example.org:8443/applications/17',
      cn1: '2',
      cn1Label: 'Sequence',
      cs2: 'd-7f3a',
      cs2Label: 'Device',
    });
  });

  test('text of strangers ends no field, no pair and no line', () => {
    const hostile = {
      class_name: 'a|b\\c\nd',
      metadata: { product: { version: '1|2' } },
      actor: { user: { name: 'eve\\=x suser=root\r\nCEF:0|x|' } },
      http_request: { user_agent: 'a=b|c \u2028\u0007 é𝒳 \ud800', url: { hostname: 'h', path: '/=\\' } },
    };
    const line = formatCef(hostile);
    expect(line).not.toMatch(/[\n\r\u2028]/);
    const { header, extension } = readCef(line);
    expect(header[5]).toBe('a|b\\c d: Other');
    expect(header[3]).toBe('1|2');
    expect(extension).toEqual({
      cat: 'a|b\\c\nd',
      suser: 'eve\\=x suser=root\r\nCEF:0|x|',
      requestClientApplication: 'a=b|c    é𝒳 \ufffd',
      request: 'h/=\\',
    });
  });
});

describe.each(Object.entries(formats))('every format: %s', (name, format) => {
  test('takes each kind of record, and one of a class that it does not know, as one line', () => {
    const unknown = { class_uid: 9999, time: 'soon', metadata: null, unmapped: [], odd: { deep: [1] } };
    for (const record of [...every, unknown, {}]) {
      const line = format(record);
      expect(line).not.toMatch(/[\n\r\u2028\u2029]/);
      if (name !== 'cef') expect(JSON.parse(line)).toBeTypeOf('object');
    }
  });

  test('whatever stands in it, it stays one line', () => {
    const text = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(text, text, text, (one, two, three) => {
        const line = format({
          class_name: one,
          message: two,
          actor: { user: { name: three } },
          http_request: { user_agent: one, url: { hostname: two, path: three } },
          status_detail: three,
        });
        expect(line).not.toMatch(/[\n\r\u2028\u2029]/);
        if (name === 'cef') expect(readCef(line).extension['msg'] ?? '').toHaveLength(two.length);
      }),
    );
  });
});

test('no empty member is in an ECS document', () => {
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return expect(value).not.toBeUndefined();
    for (const member of Object.values(value)) {
      expect(member).not.toBeNull();
      look(member);
    }
  };
  for (const record of every) look(JSON.parse(formatEcs(record)));
});
