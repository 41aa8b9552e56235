import { readFileSync } from 'node:fs';
import type { DeviceId } from '../../../src/domain/ids.ts';
import { createDataLossScanner } from '../../../src/gateway/data-loss/data-loss-scanner.ts';
import { createBodyScanner } from '../../../src/inspection/data-loss/body-scanner.ts';
import { buildDetectors } from '../../../src/inspection/data-loss/detectors.ts';
import type { WantedData } from '../../../src/inspection/data-loss/detectors.ts';
import { rowOf, rowOfRounds } from './row.ts';
import type { Row } from './row.ts';

const megabyte = 1024 * 1024;
const pieceBytes = 64 * 1024;
const kinds: WantedData = { kinds: ['iban', 'card', 'nir', 'email'], patterns: [] };
const pattern: WantedData = {
  kinds: [],
  patterns: [{ name: 'dossier', pattern: '(?i)\\b[a-z]{3}-[0-9]{4}-[0-9]{6}\\b', maxLength: 32 }],
};

const repeated = (text: string): Buffer =>
  Buffer.from(text.repeat(Math.ceil(megabyte / text.length))).subarray(0, megabyte);

/** A table of people, as an administration exports them. */
const table = (): string =>
  Array.from(
    { length: 8000 },
    (_, index) =>
      `${index};2026-03-${(index % 28) + 1};NOM${index};12 rue des Lilas ${index * 7919};user${index}@example.org;0612${index}\n`,
  ).join('');

const contents: readonly (readonly [name: string, key: string, type: string, body: () => Buffer])[] = [
  [
    'a text',
    'Text',
    'text/plain',
    () => repeated(readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')),
  ],
  ['a table of people', 'Table', 'text/csv', () => repeated(table())],
  ['the same as JSON', 'Json', 'application/json', () => repeated(JSON.stringify(table().split('\n')))],
  [
    'the same as a form',
    'Form',
    'application/x-www-form-urlencoded',
    () => repeated(new URLSearchParams([['table', table()]]).toString()),
  ],
];

function* piecesOf(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += pieceBytes) yield body.subarray(at, at + pieceBytes);
}

/** What looking contents through costs for a megabyte: where it is done, and of the event loop that has it done. */
export async function dataLossRows(isQuick: boolean): Promise<Row[]> {
  const rounds = isQuick ? 3 : 9;
  const rows: Row[] = [];
  for (const [what, wanted] of [
    ['all kinds', kinds],
    ['one pattern', pattern],
  ] as const)
    for (const [name, key, type, make] of contents) {
      const body = make();
      const detectors = buildDetectors(wanted);
      const times: number[] = [];
      for (let round = 0; round <= rounds; round += 1) {
        const scanner = createBodyScanner(type, detectors);
        const before = process.cpuUsage();
        for (const piece of piecesOf(body)) scanner.write(piece);
        scanner.end();
        const { user, system } = process.cpuUsage(before);
        // The first makes the code fast.
        if (round > 0) times.push((user + system) / 1000);
      }
      rows.push(
        rowOfRounds(
          `data loss, ${what}, ${name}: a MiB`,
          `dataLoss${what === 'all kinds' ? 'Kinds' : 'Pattern'}${key}CpuMillisPerMib`,
          times,
          'ms CPU',
        ),
      );
    }
  return [...rows, await eventLoopRow(rounds)];
}

async function eventLoopRow(rounds: number): Promise<Row> {
  const silent = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const scanner = createDataLossScanner({ timeoutMs: 60_000, log: silent });
  const body = contents[0]?.[3]() ?? Buffer.alloc(0);
  const look = async (): Promise<void> => {
    const content = scanner.open('d-1' as DeviceId, 'text/plain', kinds);
    for (const piece of piecesOf(body)) await content.look(piece, false);
    await content.look(Buffer.alloc(0), true);
  };
  await look();
  const before = process.threadCpuUsage();
  for (let round = 0; round < rounds; round += 1) await look();
  const { user, system } = process.threadCpuUsage(before);
  await scanner.close();
  const pieces = rounds * (body.length / pieceBytes);
  return rowOf(
    'of a piece of 64 KiB, CPU of the worker’s event loop',
    'dataLossEventLoopCpuMicrosPerPiece',
    (user + system) / pieces,
    'us CPU',
    100,
  );
}
