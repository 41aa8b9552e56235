import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chainStart } from '../../../src/flow/spool/chain.ts';
import type { FlowStream } from '../../../src/flow/spool/chain.ts';
import { parseCheckpoint, signCheckpoint } from '../../../src/flow/checkpoints/checkpoint.ts';
import { formatHead } from '../../../src/flow/spool/head.ts';
import { formatRetired } from '../../../src/flow/spool/retired.ts';
import { headName, parseSegmentName, retiredName } from '../../../src/flow/spool/segment-names.ts';
import { readLastLink } from '../../../src/flow/verify/read-chain-link.ts';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { verifyRecords } from '../../../src/flow/verify/verify-records.ts';
import { reframe } from '../../lab/flow-records.ts';
import { makeFlowDirectory } from '../flow-directory.ts';
import { monday } from '../samples.ts';
import {
  checkpointsOf,
  copyOf,
  flowsOf,
  linesOf,
  makeSigned,
  open,
  publicPem,
  recordSome,
  segmentsOf,
  verdictOn,
} from './signed-directory.ts';

/**
 * The attacker has taken over a worker: its user owns the spool, and can write each file in it anew, hashes and heads with
 * them. Only checkpoints, which are another user's, are not theirs to write. Every attack is on a copy of one directory
 * that verifies, and what it leaves is whole in itself, as `verifyFlows` without checkpoints shows.
 */
let untouched: string;
beforeAll(async () => {
  untouched = await makeSigned();
});
afterAll(() => rmSync(untouched, { recursive: true }));
const attack = (act: (data: string) => void): string => {
  const data = copyOf(untouched);
  act(data);
  return data;
};

const streamOf = (data: string, worker: number): FlowStream => {
  const stream = parseSegmentName(segmentsOf(data, worker)[0] ?? '')?.stream;
  if (stream === undefined) throw new Error('no segment');
  return stream;
};

/** Writes one worker's chain anew, numbers, hashes and head with it, in the files that it had. */
function rewrite(data: string, worker: number, change: (lines: string[]) => string[]): void {
  const stream = streamOf(data, worker);
  const names = segmentsOf(data, worker);
  const lines = change(names.flatMap((name) => linesOf(data, name)));
  const perFile = Math.ceil(lines.length / names.length);
  let previous = chainStart(stream);
  let sequence = 0;
  let segment = 0;
  for (const [index, name] of names.entries()) {
    const kept = lines.slice(index * perFile, (index + 1) * perFile).map((line) => {
      sequence += 1;
      const anew = reframe(line, (record) =>
        record
          .replace(/"sequence":[0-9]+/, `"sequence":${sequence}`)
          .replace(/"previous":"[0-9a-f]{64}"/, `"previous":"${previous}"`),
      );
      previous = hashOf(anew);
      return `${anew}\n`;
    });
    if (kept.length === 0) rmSync(join(flowsOf(data), name));
    else {
      writeFileSync(join(flowsOf(data), name), kept.join(''), 'latin1');
      segment = index + 1;
    }
  }
  writeFileSync(
    join(flowsOf(data), headName(stream)),
    formatHead({ sequence, hash: previous, segment, isClosed: true }),
  );
}

const hashOf = (line: string): string => {
  const link = readLastLink(Buffer.from(line, 'latin1'));
  return link?.kind === 'record' ? link.hash : '';
};

const alone = async (data: string): Promise<unknown[]> =>
  (await verifyFlows(flowsOf(data))).problems.map(({ kind }) => kind);

describe('a worker’s user that writes its spool anew', () => {
  test('is not seen where nothing was touched, with the key in the directory and with one kept elsewhere', async () => {
    const key = join(makeFlowDirectory(), 'kept.pem');
    writeFileSync(key, publicPem());
    const data = attack(() => undefined);
    expect(await verdictOn(data)).toEqual([]);
    const report = await verifyRecords(data, { keyFile: key });
    expect(report).toMatchObject({
      records: 100,
      problems: [],
      streams: [{ vouched: 50 }, { vouched: 50 }],
      checkpoints: [{ records: 'flows', first: 1 }],
    });
  });

  test('is found to have edited a record, between which signatures', async () => {
    const data = attack((at) =>
      rewrite(at, 1, (lines) =>
        lines.with(
          24,
          reframe(lines[24] ?? '', (record) => record.replaceAll('alice@', 'mallory@')),
        ),
      ),
    );
    expect(await alone(data)).toEqual([]);
    expect(await verdictOn(data)).toEqual([['rewritten', 1, 21, 30]]);
  });

  test('is found to have taken a record out', async () => {
    const data = attack((at) => rewrite(at, 2, (lines) => lines.toSpliced(2, 1)));
    expect(await alone(data)).toEqual([]);
    expect(await verdictOn(data)).toEqual([
      ['missing', 2, 50, 50],
      ['rewritten', 2, 1, 10],
    ]);
  });

  test('is found to have changed the order of records', async () => {
    const data = attack((at) =>
      rewrite(at, 1, (lines) => lines.with(11, lines[12] ?? '').with(12, lines[11] ?? '')),
    );
    expect(await alone(data)).toEqual([]);
    expect(await verdictOn(data)).toEqual([['rewritten', 1, 11, 20]]);
  });

  test('is found to have cut off the end, within a file and by whole files', async () => {
    for (const left of [45, 20, 0]) {
      const data = attack((at) => rewrite(at, 1, (lines) => lines.slice(0, left)));
      expect(await alone(data)).toEqual([]);
      expect((await verdictOn(data)).at(-1)).toEqual(['missing', 1, left + 1, 50]);
    }
  });

  test('is found to have removed all of a worker', async () => {
    const data = attack((at) => {
      for (const name of [...segmentsOf(at, 2), headName(streamOf(at, 2))]) rmSync(join(flowsOf(at), name));
    });
    expect(await alone(data)).toEqual([]);
    expect((await verdictOn(data)).at(-1)).toEqual(['missing', 2, 1, 50]);
  });

  test('is found to have passed off a removal as the end of the time to keep records', async () => {
    const data = attack((at) => {
      const [first = ''] = segmentsOf(at, 1);
      const line = linesOf(at, first).at(-1) ?? '';
      const sequence = Number(/"sequence":([0-9]+)/.exec(line)?.[1]);
      writeFileSync(
        join(flowsOf(at), retiredName(streamOf(at, 1))),
        formatRetired({ segment: 1, sequence, hash: hashOf(line) }),
      );
      rmSync(join(flowsOf(at), first));
    });
    expect(await alone(data)).toEqual([]);
    expect((await verdictOn(data)).map((one) => (one as string[])[0])).toEqual([
      'edited',
      'segment-missing',
      'missing',
    ]);
  });

  test('is found to have added records after the end that was signed', async () => {
    const data = attack((at) => rewrite(at, 1, (lines) => [...lines, lines[0] ?? '']));
    expect(await alone(data)).toEqual([]);
    expect(await verdictOn(data)).toEqual([['unvouched', 1, 51, 51]]);
  });

  test('is found to have invented a worker that never was', async () => {
    const data = copyOf(untouched);
    const invented = open(data, { worker: 7, now: () => monday });
    await recordSome(invented, 3);
    invented.close();
    expect(await alone(data)).toEqual([]);
    expect(await verdictOn(data)).toEqual([['unvouched', 7, 1, 3]]);
  });
});

describe('checkpoints that are not what was signed', () => {
  const files = (data: string): string[] =>
    readdirSync(checkpointsOf(data))
      .toSorted()
      .map((name) => join(checkpointsOf(data), name));
  /** All lines of all files; where one begins with another chain, files do not matter. */
  const change = (data: string, with_: (lines: string[]) => string[]): void => {
    const lines = files(data).flatMap((path) => readFileSync(path, 'utf8').split('\n').slice(0, -1));
    for (const path of files(data).slice(1)) rmSync(path);
    writeFileSync(
      files(data)[0] ?? '',
      with_(lines)
        .map((line) => `${line}\n`)
        .join(''),
    );
  };
  const kinds = async (data: string): Promise<unknown[]> => [
    ...new Set((await verifyRecords(data)).problems.map(({ kind }) => kind)),
  ];

  test('are named when one is edited, taken out, moved, or signed by another key', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const attacks: readonly [(lines: string[]) => string[], string[]][] = [
      [(lines) => lines, []],
      [
        (lines) => lines.with(2, (lines[2] ?? '').replace('"ended":false', '"ended":true')),
        ['checkpoint-edited', 'checkpoint-missing'],
      ],
      [(lines) => lines.toSpliced(2, 1), ['checkpoint-missing']],
      [(lines) => lines.slice(1), []],
      [
        (lines) => lines.with(2, lines[3] ?? '').with(3, lines[2] ?? ''),
        ['checkpoint-missing', 'checkpoint-edited'],
      ],
      [(lines) => lines.with(1, 'nothing'), ['checkpoint-edited', 'checkpoint-missing']],
      [
        (lines) => {
          const checkpoint = parseCheckpoint(lines[2] ?? '');
          return checkpoint === undefined ? [] : lines.with(2, signCheckpoint(checkpoint, other));
        },
        ['checkpoint-edited', 'checkpoint-missing'],
      ],
    ];
    for (const [act, expected] of attacks) {
      const data = attack((at) => change(at, act));
      expect(new Set(await kinds(data))).toEqual(new Set(expected));
    }
  });

  test('are named when all are gone, or none is signed by the key that is believed', async () => {
    const data = attack((at) => {
      for (const path of files(at)) rmSync(path);
    });
    expect(await kinds(data)).toEqual(['checkpoint-missing']);
    const elsewhere = join(makeFlowDirectory(), 'other.pem');
    writeFileSync(elsewhere, publicPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey));
    const found = await verifyRecords(copyOf(untouched), { keyFile: elsewhere });
    expect(new Set(found.problems.map(({ kind }) => kind))).toEqual(
      new Set(['checkpoint-edited', 'checkpoint-missing']),
    );
    await expect(verifyRecords(untouched, { keyFile: files(untouched)[0] ?? '' })).rejects.toThrow(
      /no public key/,
    );
  });

  test('are believed but for a last line that a power cut tore', async () => {
    const data = attack((at) => {
      const path = files(at)[0] ?? '';
      truncateSync(path, readFileSync(path).length - 100);
    });
    expect(await kinds(data)).toEqual([]);
  });
});
