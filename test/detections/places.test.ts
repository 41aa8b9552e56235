import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, asyncProperty, nat, uniqueArray } from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { readPlaces } from '../../src/flow/sinks/detections/places.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-places-'));
afterAll(() => rmSync(directory, { recursive: true }));
const file = (text: string): string => {
  const path = join(directory, 'places.csv');
  writeFileSync(path, text);
  return path;
};

it('finds the network of an address by the columns that it knows, in whatever order', async () => {
  const { placeOf, count } = await readPlaces(
    file(
      '"geoname_id",latitude,"network",longitude\r\n1,1.5,10.1.0.0/16,2.5\r\n2,3,"10.0.0.0/16",4\r\n,,10.9.0.0/16,\r\n3,5,2001:db8::/32,6\r\n',
    ),
  );
  expect(count).toBe(3);
  expect(placeOf('10.1.255.255')).toEqual({ name: '1.5, 2.5', latitude: 1.5, longitude: 2.5 });
  expect(placeOf('10.0.0.0')?.latitude).toBe(3);
  expect(placeOf('2001:db8:ffff::1')?.latitude).toBe(5);
  for (const nowhere of ['10.2.0.0', '9.255.255.255', '10.9.0.1', '2001:db9::', '::ffff:10.1.0.1', 'x', ''])
    expect(placeOf(nowhere), nowhere).toBeUndefined();
});

it('agrees with a list that is looked through one by one', async () => {
  await assert(
    asyncProperty(uniqueArray(nat(255), { minLength: 1, maxLength: 20 }), nat(255), async (octets, asked) => {
      const rows = octets.map((octet) => `10.${octet}.0.0/16,${octet % 90},1`);
      const { placeOf } = await readPlaces(file(`network,latitude,longitude\n${rows.join('\n')}\n`));
      expect(placeOf(`10.${asked}.3.4`)?.latitude).toBe(octets.includes(asked) ? asked % 90 : undefined);
    }),
    { numRuns: 30 },
  );
});

it.each([
  ['network,lat\n', 'no column latitude, longitude'],
  ['network,latitude,longitude\nhere,1,1\n', ':2: not a network'],
  ['network,latitude,longitude\n10.0.0.0/33,1,1\n', ':2: not a network'],
  ['network,latitude,longitude\n10.0.0.0/8,91,1\n', ':2: not a network'],
])('names what is wrong with %j', async (text, problem) => {
  await expect(readPlaces(file(text))).rejects.toThrow(problem);
});
