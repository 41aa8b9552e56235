import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { readBodyContent } from '../../src/inspection/bodies/read-body.ts';

const read = (type: string, text: string, isCut = false, encoding = '') => {
  const { processor, args, files, xmlTexts, xmlAttributes, anomalies } = readBodyContent(
    type,
    encoding,
    text,
    isCut,
  );
  return { processor, args, files, xmlTexts, xmlAttributes, anomalies: [...anomalies] };
};
const nothing = { processor: '', args: [], files: [], xmlTexts: [], xmlAttributes: [], anomalies: [] };
const json = (text: string, isCut = false) => read('application/json; charset=utf-8', text, isCut);
const multipart = (text: string, isCut = false) => read('multipart/form-data; boundary=X', text, isCut);

describe('a body', () => {
  it('that is a form gives its fields, decoded once', () => {
    expect(read('application/x-www-form-urlencoded', 'a=1+2&b=%2527&&c&=d')).toEqual({
      ...nothing,
      processor: 'URLENCODED',
      args: [
        ['a', '1 2'],
        ['b', '%27'],
        ['c', ''],
        ['', 'd'],
      ],
    });
  });

  it('of text, or of no type, is looked at whole; of another type not', () => {
    expect(read('text/plain', 'a').args).toEqual([['postern.body', 'a']]);
    expect(read('', 'a').args).toEqual([['postern.body', 'a']]);
    expect(read('application/pdf', 'a')).toEqual(nothing);
    expect(read('application/json', '')).toEqual(nothing);
  });

  it('that is encoded is not read, and that is an anomaly', () => {
    expect(read('application/json', '{}', false, 'gzip')).toEqual({ ...nothing, anomalies: ['90002'] });
    expect(read('application/json', '{}', false, 'identity').anomalies).toEqual([]);
  });

  it('with more fields than are looked at is an anomaly', () => {
    const { args, anomalies } = read('application/x-www-form-urlencoded', 'a=1&'.repeat(1001));
    expect([args.length, anomalies]).toEqual([1000, ['90004']]);
  });
});

describe('JSON', () => {
  it('gives each value under its path, also the first of two of one name', () => {
    expect(json(String.raw`{"a":{"b":["x\u00e9\n",-1.5e3,true]},"c":"1","c":"2","d":{}}`).args).toEqual([
      ['json.a.b.0', 'xÃ©\n'],
      ['json.a.b.1', '-1.5e3'],
      ['json.a.b.2', 'true'],
      ['json.c', '1'],
      ['json.c', '2'],
      ['json.d', ''],
    ]);
    expect(json(String.raw`"\ud83d\ude00"`).args).toEqual([['json', '\xf0\x9f\x98\x80']]);
  });

  it.each([
    '{"a":1,}',
    "{'a':1}",
    '{a:1}',
    '[1 2]',
    '{"a":1} x',
    '"a\nb"',
    '[01]',
    'NaN',
    '{"a":"\\x"}',
    '{"a":',
    '/* */1',
  ])('%s is an anomaly', (text) => {
    expect(json(text).anomalies).toEqual(['90001']);
  });

  it('that is cut gives what there is of it', () => {
    expect(json('{"a":"x","b":"attac', true)).toMatchObject({
      args: [
        ['json.a', 'x'],
        ['json', 'attac'],
      ],
      anomalies: [],
    });
  });

  it('that is too deep is an anomaly, and ends', () => {
    expect(json('['.repeat(100_000)).anomalies).toEqual(['90004']);
  });

  it('shows the names of what is empty', () => {
    expect(json('{"a":{"<script>":{}},"b":[[]]}').args).toEqual([
      ['json.a.<script>', ''],
      ['json.b.0', ''],
    ]);
  });

  it('with a long name over many values is an anomaly, and no more than that is read of it', () => {
    const many = (name: string): string => JSON.stringify({ [name]: Array.from({ length: 900 }, () => 1) });
    expect(json(many('a'.repeat(100))).anomalies).toEqual([]);
    const { args, anomalies } = json(many('a'.repeat(8000)));
    expect([args.length, anomalies]).toEqual([16, ['90004']]);
  });

  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const octets = Buffer.from(text).toString('latin1');
        expect(json(octets).anomalies).toEqual([]);
        const words = [...text.matchAll(/"/g)].length;
        expect(json(octets).args.length).toBeLessThanOrEqual(words + text.length);
      }),
    );
  });

  it('is refused where JSON.parse refuses it', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]:,"1-.eE+ atrufalsn\\'.split('')) }), (text) => {
        let isValid = true;
        try {
          JSON.parse(text);
        } catch {
          isValid = false;
        }
        if (text !== '') expect(json(text).anomalies.includes('90001')).toBe(!isValid);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a form in parts', () => {
  const part = (head: string, value: string): string =>
    `--X\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`;

  it('gives its fields and the names of its files', () => {
    expect(
      multipart(`${part('name="a"', "l'eau")}${part('name="f"; filename="b.pdf"', '%PDF')}--X--\r\n`),
    ).toEqual({
      ...nothing,
      processor: 'MULTIPART',
      args: [['a', "l'eau"]],
      files: [['f', 'b.pdf']],
    });
    expect(multipart('--X--\r\n')).toEqual({ ...nothing, processor: 'MULTIPART' });
  });

  it.each([
    ['line feeds alone', '--X\nContent-Disposition: form-data; name="a"\n\nv\n--X--\n'],
    ['text before it', `hello\r\n${part('name="a"', 'v')}--X--\r\n`],
    ['text after it', `${part('name="a"', 'v')}--X--\r\nmore`],
    ['no end', part('name="a"', 'v')],
    ['a name twice', `${part('name="a"; name="b"', 'v')}--X--\r\n`],
    ['no name', `${part('filename="b"', 'v')}--X--\r\n`],
    ['a file name in another writing', `${part(`name="a"; filename*=utf-8''b`, 'v')}--X--\r\n`],
    ['a backslash in a name', `${part('name="a\\"b"', 'v')}--X--\r\n`],
    [
      'two dispositions',
      `--X\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\nv\r\n--X--\r\n`,
    ],
    [
      'an encoding of its own',
      `--X\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nv\r\n--X--\r\n`,
    ],
    ['a folded line', `--X\r\nContent-Disposition: form-data;\r\n name="a"\r\n\r\nv\r\n--X--\r\n`],
    [
      'a boundary that goes on',
      `--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nv\r\n--XY\r\n--X--\r\n`,
    ],
  ])('with %s is an anomaly', (_, text) => {
    expect(multipart(text).anomalies).toEqual(['90003']);
  });

  it.each(['', '; boundary=', '; boundary=a; boundary=b', '; boundary="a', '; boundary=a b'])(
    'whose boundary is %j is an anomaly',
    (parameters) => {
      expect(read(`multipart/form-data${parameters}`, '--a\r\n').anomalies).toEqual(['90003']);
    },
  );

  it('that is cut gives what there is of it', () => {
    expect(
      multipart(`${part('name="a"', 'v')}--X\r\nContent-Disposition: form-data; name="b"\r\n\r\nattac`, true),
    ).toMatchObject({
      args: [
        ['a', 'v'],
        ['b', 'attac'],
      ],
      anomalies: [],
    });
  });
});

describe('XML', () => {
  it('gives its texts and attributes', () => {
    expect(
      read(
        'application/soap+xml',
        '<?xml version="1.0"?><a b="&lt;x" c=\'d\'>l&apos;eau<![CDATA[<y>]]><!-- e --></a>',
      ),
    ).toMatchObject({
      xmlTexts: ["l'eau", '<y>'],
      xmlAttributes: ['1.0', '<x', 'd'],
      anomalies: [],
    });
  });

  it('of one long name takes no longer than another of its length', () => {
    for (const text of ['<', '</', '<a ']) read('text/xml', text + 'a'.repeat(500_000));
  });

  it('with a document type, and what is no XML, are anomalies', () => {
    expect(read('text/xml', '<!DOCTYPE a SYSTEM "b"><a/>').anomalies).toEqual(['90005']);
    expect(read('text/xml', 'a=1').anomalies).toEqual(['90001']);
  });
});
