import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCursorFile } from '../../src/flow/shipper/cursor-file.ts';
import type { Position, Positions } from '../../src/flow/shipper/position.ts';
import { joinCursors, splitCursors } from '../../src/supervisor/hand-over-cursors.ts';
import { makeDirectory } from '../flow/shipper/shipping.ts';

const isRoot = process.getuid?.() === 0;
const flows = 'worker-0001-1764063000000-boot-1';
const access = 'worker-0000-1764063000000-boot-1';
const at = (sequence: number): Position => ({ segment: 1, offset: sequence * 100, sequence, hash: 'a' });

function open() {
  const data = makeDirectory();
  const places = {
    sinkDirectory: join(data, 'sinks'),
    accessSinkDirectory: join(data, 'access-sinks'),
    names: ['soc'],
  };
  for (const directory of [places.sinkDirectory, places.accessSinkDirectory]) mkdirSync(directory);
  const cursor = (directory: string) => openCursorFile(join(directory, 'soc.cursor'));
  return {
    places,
    sinks: cursor(places.sinkDirectory),
    accessSinks: cursor(places.accessSinkDirectory),
  };
}
const positions = (entries: Readonly<Record<string, Position>>): Positions =>
  new Map(Object.entries(entries));

describe('the place of the access log', () => {
  it('is taken along by the process of its own', async () => {
    const { places, sinks, accessSinks } = open();
    await sinks.save(positions({ [flows]: at(9), [access]: at(5) }));
    await splitCursors(places);
    expect(await accessSinks.load()).toEqual(positions({ [access]: at(5) }));
  });

  it('is not that of a time before, once the process of its own has one', async () => {
    const { places, sinks, accessSinks } = open();
    await sinks.save(positions({ [access]: at(5) }));
    await accessSinks.save(positions({ [access]: at(7) }));
    await splitCursors(places);
    expect(await accessSinks.load()).toEqual(positions({ [access]: at(7) }));
  });

  it.runIf(isRoot)(
    isRoot
      ? 'is not taken from where the workers’ user can write: it could have it all pass for delivered'
      : 'is not taken from where the workers’ user can write [skipped: needs root: sudo npm test]',
    async () => {
      const { places, sinks, accessSinks } = open();
      await sinks.save(positions({ [access]: at(999) }));
      chownSync(places.sinkDirectory, 64_990, 64_990);
      await splitCursors(places);
      expect(await accessSinks.load()).toBeUndefined();
    },
  );

  it('comes back to the process that does both, which keeps its own of flows', async () => {
    const { places, sinks, accessSinks } = open();
    await sinks.save(positions({ [flows]: at(9), [access]: at(5) }));
    await accessSinks.save(positions({ [access]: at(7) }));
    await joinCursors(places);
    expect(await sinks.load()).toEqual(positions({ [flows]: at(9), [access]: at(7) }));
    expect(existsSync(join(places.accessSinkDirectory, 'soc.cursor'))).toBe(false);
    await joinCursors(places);
    expect(await sinks.load()).toEqual(positions({ [flows]: at(9), [access]: at(7) }));
  });

  it('is nowhere for a sink that never delivered', async () => {
    const { places, sinks, accessSinks } = open();
    await splitCursors(places);
    await joinCursors(places);
    expect([await sinks.load(), await accessSinks.load()]).toEqual([undefined, undefined]);
  });
});
