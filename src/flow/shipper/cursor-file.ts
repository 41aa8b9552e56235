import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { parseHeadName } from '../spool/segment-names.ts';
import type { Position, Positions } from './position.ts';

const strict = { additionalProperties: false } as const;
const CursorFile = Type.Object(
  {
    format: Type.Literal('postern-sink-cursor-1'),
    streams: Type.Record(
      Type.String(),
      Type.Object(
        {
          segment: Type.Integer({ minimum: 0 }),
          offset: Type.Integer({ minimum: 0 }),
          passed: Type.Optional(Type.Integer({ minimum: 1 })),
          sequence: Type.Optional(Type.Integer({ minimum: 0 })),
          hash: Type.String(),
          isOver: Type.Optional(Type.Literal(true)),
        },
        strict,
      ),
    ),
  },
  strict,
);
const validator = Compile(CursorFile);

/** Up to where one sink's receiver has acknowledged, on disk. */
export interface CursorFile {
  /** What was saved last; undefined for a sink that never ran, `unusable` where it cannot be told. */
  load(): Promise<Positions | 'unusable' | undefined>;
  /** Replaces it as a whole, and resolves when that will survive a power cut. @throws what the file system throws */
  save(positions: Positions): Promise<void>;
}

export function openCursorFile(path: string): CursorFile {
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
      return parseCursor(text) ?? 'unusable';
    },
    async save(positions) {
      const text = `${JSON.stringify({ format: 'postern-sink-cursor-1', streams: Object.fromEntries(positions) })}\n`;
      const temporary = `${path}.tmp`;
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      const directory = await open(dirname(path), 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    },
  };
}

function parseCursor(text: string): Positions | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!validator.Check(value)) return undefined;
  const streams = Object.entries(value.streams);
  if (streams.some(([name]) => parseHeadName(`${name}.head`) === undefined)) return undefined;
  return new Map(
    streams.map(([name, { sequence, ...rest }]): [string, Position] => [name, { sequence, ...rest }]),
  );
}
