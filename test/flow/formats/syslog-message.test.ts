import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatSyslog, frameSyslog } from '../../../src/flow/formats/syslog-message.ts';

const identity = { facility: 'local0', enterpriseNumber: 32_473 } as const;
const time = Date.UTC(2026, 0, 5, 8);

test('a message has header, structured data and the record as RFC 5424 orders them', () => {
  const record = {
    class_uid: 4002,
    severity_id: 3,
    time,
    action: 'Denied',
    metadata: { uid: 'u-1', sequence: 7, correlation_uid: 'f-1' },
    unmapped: {
      postern: {
        gateway: 'gateway.example.org',
        worker: 2,
        boot: 'b-1',
        user: 'alice@example.org',
        device: null,
        app: 'grants',
        refusal: 'denied',
      },
    },
  };
  expect(formatSyslog(record, '{}', identity)).toBe(
    '<132>1 2026-01-05T08:00:00.000Z gateway.example.org postern worker-2 4002 ' +
      '[postern@32473 uid="u-1" worker="2" boot="b-1" sequence="7" flow="f-1" user="alice@example.org" app="grants" action="Denied" refusal="denied"] {}',
  );
});

test('a record that says nothing still makes a message', () => {
  expect(formatSyslog({}, '{}', { facility: 'authpriv', enterpriseNumber: 1 })).toBe(
    '<86>1 - - postern - - [postern@1] {}',
  );
});

test('text of strangers ends no parameter and no message', () => {
  const user = 'a"b\\c]d\ne\u0000f\u2028g';
  const message = formatSyslog({ unmapped: { postern: { user, gateway: 'x y\nz' } } }, '{}', identity);
  expect(message).toBe('<134>1 - xyz postern - - [postern@32473 user="a\\"b\\\\c\\]d e f\u2028g"] {}');
});

/** Any letters, with those that mean something more often than chance would have them. */
const anyText = fc
  .array(fc.oneof(fc.constantFrom('"', '\\', ']', '\n', ' '), fc.integer({ min: 0, max: 0xffff })))
  .map((units) =>
    units.map((unit) => (typeof unit === 'number' ? String.fromCharCode(unit) : unit)).join(''),
  );

test('whatever a parameter holds, a reader by the rules of RFC 5424 finds the same ones', () => {
  fc.assert(
    fc.property(anyText, anyText, (user, app) => {
      const message = formatSyslog({ unmapped: { postern: { user, app } } }, '{}', identity);
      const found =
        /^<134>1 - - postern - - \[postern@32473((?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*)\] \{\}$/su.exec(
          message,
        );
      expect(found?.[1]?.match(/ (user|app)="/g)?.length).toBeGreaterThanOrEqual(2);
      expect(message).not.toMatch(/\n/);
    }),
  );
});

test('a frame counts bytes, not letters', () => {
  expect(frameSyslog('né\n').toString('utf8')).toBe('4 né\n');
});
