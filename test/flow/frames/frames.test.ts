import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contextHash, parseContext } from '../../../src/flow/frames/context.ts';
import { formatFrame, parseFrame } from '../../../src/flow/frames/frame.ts';
import type { FrameKind } from '../../../src/flow/frames/frame.ts';
import { createRecordReader } from '../../../src/flow/frames/record-reader.ts';
import { parseShort } from '../../../src/flow/frames/short-record.ts';
import { asciiJson } from '../../../src/flow/record/safe-text.ts';
import { framesIn, linesIn, recordsIn, segmentsIn } from '../../lab/flow-records.ts';
import { join } from 'node:path';
import { makeFlowDirectory, openRecorder } from '../flow-directory.ts';
import { allowedFacts, answered, request } from '../samples.ts';

const kinds = fc.constantFrom<FrameKind>('record', 'context', 'short');
const json = fc.jsonValue().map(asciiJson);

describe('a line of a segment', () => {
  test('gives back what it was made of, and is JSON itself', () => {
    fc.assert(
      fc.property(kinds, json, (kind, text) => {
        const line = formatFrame(kind, text);
        const frame = parseFrame(Buffer.from(line));
        expect([frame?.kind, frame?.payload.toString(), frame?.isSound]).toEqual([kind, text, true]);
        expect(JSON.parse(line)).toHaveLength(4);
      }),
    );
  });

  test('has the beginning of its hash for a checksum', () => {
    expect(formatFrame('record', 'abc')).toBe('["r","000003","ba7816bf",abc]');
  });

  test('is not sound once a byte of it is another, or is none', () => {
    fc.assert(
      fc.property(kinds, json, fc.nat(), fc.integer({ min: 0x20, max: 0x7e }), (kind, text, place, byte) => {
        const line = Buffer.from(formatFrame(kind, text));
        const at = place % line.length;
        fc.pre(line[at] !== byte);
        line[at] = byte;
        const frame = parseFrame(line);
        // Which kind it is of is not among what is summed up; what is read as another kind is none of that kind.
        if (at !== 2) expect(frame?.isSound ?? false).toBe(false);
      }),
    );
  });

  test('whatever it is, it is read without an error', () => {
    const reader = createRecordReader();
    fc.assert(
      fc.property(fc.oneof(fc.string(), json), kinds, (text, kind) => {
        expect(parseFrame(Buffer.from(text))).toBeUndefined();
        for (const line of [
          text,
          formatFrame(kind, asciiJson(text)),
          formatFrame(kind, text.replace(/[^ -~]/g, '?')),
        ])
          expect(['context', undefined]).toContain(reader.read(Buffer.from(line), 0));
      }),
    );
  });
});

/** The frames of some requests, parsed. */
function written(...requests: Partial<typeof request>[]) {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  for (const own of requests)
    recorder.request({ ...allowedFacts, request: { ...request, ...own } }, answered);
  recorder.close();
  const frames = framesIn(join(directory, segmentsIn(directory)[0] ?? '')).map((line) =>
    parseFrame(Buffer.from(line)),
  );
  return { directory, frames };
}

describe('the record of a request', () => {
  test('says the same written short as written whole, but for what its hash is of', () => {
    const agents = Array.from({ length: 17 }, (_, index) => ({
      userAgent: `agent ${index % 16}${index === 16 ? ' x' : ''}`,
    }));
    const { directory, frames } = written(...agents, {});
    expect(frames.at(-1)?.kind).toBe('record');
    const [short, whole] = [recordsIn(directory)[0], recordsIn(directory).at(-1)].map((record) => {
      const { previous: _p, context, batch, ...postern } = record?.unmapped.postern ?? {};
      const { uid: _u, sequence: _s, ...metadata } = { uid: '', ...record?.metadata };
      const http = record?.['http_request'] as { user_agent: string };
      return [
        { ...record, metadata, http_request: { ...http, user_agent: '' }, unmapped: { postern } },
        [context, batch],
      ];
    });
    expect(short?.[0]).toEqual(whole?.[0]);
    expect([short?.[1], whole?.[1]]).toEqual([
      [expect.stringMatching(/^[0-9a-f]{64}$/), 1],
      [null, null],
    ]);
  });

  test('is the same bytes as its object, however strange its texts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (path, userAgent) => {
        const { directory } = written({ path: `/${path}`, userAgent });
        expect(linesIn(directory)).toEqual(recordsIn(directory).map(asciiJson));
      }),
      { numRuns: 30 },
    );
  });

  test('has for its hash that of the line as it would be if it ended there, and is nothing in another spelling', () => {
    const { directory, frames } = written({ path: '/a' }, { path: '/b', method: 'POST' }, { path: '/c' });
    const text = frames.at(-1)?.payload.toString() ?? '';
    const line = JSON.parse(text) as unknown[];
    const prefixes = [5, 6, 7].map((length) => contextHash(JSON.stringify(line.slice(0, length))));
    const found = recordsIn(directory).map(({ metadata, unmapped: { postern } }) => [
      metadata.sequence,
      postern['batch'],
      postern['previous'],
    ]);
    expect(found).toEqual([
      [1, 1, line[0]],
      [2, 1, prefixes[0]],
      [3, 1, prefixes[1]],
    ]);
    expect(parseShort(Buffer.from(text))?.map(({ hash }) => hash)).toEqual(prefixes);
    expect(frames.at(-1)?.hash).toBe(prefixes[2]);
    for (const [from, to] of [
      ['"/b"', String.raw`"\/b"`],
      ['"/b"', '7'],
      ['"/b",', '"/b",0,'],
      [',0,[', ',[0],['],
      [',0,[', ',0.5,['],
      [/,0,\[.*/, ',0]'],
    ] as const) {
      expect(text).not.toBe(text.replace(from, to));
      expect(parseShort(Buffer.from(text.replace(from, to)))).toBeUndefined();
    }
  });

  test('is not one whose context says itself what only the record may, or is spelled otherwise', () => {
    const { frames } = written({});
    const text = frames[0]?.payload.toString() ?? '';
    expect(parseContext(text)).toBeDefined();
    for (const [from, to] of [
      ['{"class_uid"', '{"time":1,"class_uid"'],
      ['"metadata":{', '"metadata":{"uid":"x",'],
      ['"postern":{', '"postern":{"previous":"",'],
      ['"url":{', '"url":{"path":"/",'],
      ['"unmapped":{', '"unmapped":{"other":1,'],
      ['{"class_uid"', '{ "class_uid"'],
      ['"url":{', '"url":[],"x":{'],
    ] as const) {
      expect(text).toContain(from);
      expect(parseContext(text.replace(from, to))).toBeUndefined();
    }
    expect(contextHash(text)).toBe(parseShort(frames[1]?.payload ?? Buffer.alloc(0))?.[0]?.context);
  });
});
