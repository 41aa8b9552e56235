import { createReadStream } from 'node:fs';
import { isIP } from 'node:net';
import { createInterface } from 'node:readline';
import type { Place } from '../../../detections/detection.ts';

/** Where networks are. */
export interface Places {
  readonly placeOf: (address: string) => Place | undefined;
  readonly count: number;
}

/** A file of networks that cannot be used. `message` says where and why. */
export class PlacesUnusable extends Error {
  override readonly name = 'PlacesUnusable';
}

interface Table {
  readonly starts: bigint[];
  readonly ends: bigint[];
  readonly places: Place[];
}

/**
 * Reads a CSV file with a line of names: `network` (CIDR), `latitude`, `longitude`, and `name` where there is one, in any order,
 * others beside them: the blocks of GeoLite2 City are such a file. Networks do not overlap. @throws PlacesUnusable, and what the file system throws
 */
export async function readPlaces(path: string): Promise<Places> {
  const tables = { 4: newTable(), 6: newTable() };
  let columns: readonly string[] | undefined;
  let line = 0;
  for await (const row of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    line += 1;
    if (row.trim() === '') continue;
    const cells = row.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
    if (columns === undefined) {
      columns = cells;
      const missing = ['network', 'latitude', 'longitude'].filter((name) => !cells.includes(name));
      if (missing.length > 0) throw new PlacesUnusable(`${path}:1: no column ${missing.join(', ')}`);
      continue;
    }
    const names = columns;
    const cell = (name: string): string => cells[names.indexOf(name)] ?? '';
    const network = cell('network');
    // Of a network that is nowhere in particular, such a file says nothing.
    if (cell('latitude') === '' || cell('longitude') === '') continue;
    const [latitude, longitude] = [Number(cell('latitude')), Number(cell('longitude'))];
    const range = parseNetwork(network);
    if (range === undefined || !(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180))
      throw new PlacesUnusable(`${path}:${line}: not a network with its place: ${row.slice(0, 100)}`);
    const name = cell('name') === '' ? `${latitude}, ${longitude}` : cell('name');
    const table = tables[range.version];
    table.starts.push(range.start);
    table.ends.push(range.end);
    table.places.push({ name, latitude, longitude });
  }
  const sorted = { 4: sort(tables[4]), 6: sort(tables[6]) };
  return {
    count: sorted[4].starts.length + sorted[6].starts.length,
    placeOf(address) {
      const version = isIP(address);
      return version === 0 ? undefined : find(sorted[version as 4 | 6], numberOf(address));
    },
  };
}

const newTable = (): Table => ({ starts: [], ends: [], places: [] });

function sort({ starts, ends, places }: Table): Table {
  const order = starts
    .map((_, index) => index)
    .sort((a, b) => ((starts[a] ?? 0n) < (starts[b] ?? 0n) ? -1 : 1));
  const inOrder = <Value>(values: readonly Value[]): Value[] =>
    order.flatMap((index) => values.slice(index, index + 1));
  return { starts: inOrder(starts), ends: inOrder(ends), places: inOrder(places) };
}

function find({ starts, ends, places }: Table, address: bigint): Place | undefined {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0n) <= address) low = middle + 1;
    else high = middle;
  }
  return (ends[low - 1] ?? -1n) >= address ? places[low - 1] : undefined;
}

function parseNetwork(text: string): { version: 4 | 6; start: bigint; end: bigint } | undefined {
  const [, address = '', lengthText] = /^([0-9a-fA-F:.]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version !== 4 && version !== 6) return undefined;
  const bits = version === 4 ? 32 : 128;
  const length = lengthText === undefined ? bits : Number(lengthText);
  if (length > bits) return undefined;
  const size = 1n << BigInt(bits - length);
  const start = (numberOf(address) / size) * size;
  return { version, start, end: start + size - 1n };
}

/** Of a numeric address. */
function numberOf(address: string): bigint {
  if (!address.includes(':'))
    return address.split('.').reduce((number, octet) => number * 256n + BigInt(octet), 0n);
  // The last two groups may be written as IPv4.
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [
      [a, b],
      [c, d],
    ]
      .map(([high, low]) => (Number(high) * 256 + Number(low)).toString(16))
      .join(':'),
  );
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].reduce(
    (number, group) => number * 65_536n + BigInt(`0x${group}`),
    0n,
  );
}
