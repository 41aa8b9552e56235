import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceView } from '../../contract/control-api.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import { readKept } from '../../flow/kept/read-kept.ts';
import { readPeriod } from '../../flow/shipper/read-period.ts';
import { memberOf } from '../../flow/shipper/spool-item.ts';
import type { FlowRecord, SpoolItem } from '../../flow/shipper/spool-item.ts';

/** One person, as records may speak of them. */
export interface PersonOnRecord {
  readonly user: string;
  readonly pseudonyms: readonly string[];
  /** Id of the key behind these, by which the access log names the person. */
  readonly person?: string;
  /** Enrolled by them. */
  readonly devices: readonly DeviceView[];
}

/**
 * Writes all that a data directory has about a person to a new file, as JSON: devices, and records of flows, changes and reads. A
 * record that names another user is not theirs, also where it is of their device; where somebody looked behind several pseudonyms
 * at once, those of others are left out of it. @returns how many records
 * @throws what the file system throws; EEXIST for a file that is there
 */
export async function exportPerson(data: string, person: PersonOnRecord, file: string): Promise<number> {
  const { user, pseudonyms, devices } = person;
  const isAbout = createTest(person);
  const own = new Set(pseudonyms);
  const withoutOthers = (text: string): string =>
    text.replaceAll(anyPseudonym, (pseudonym) => (own.has(pseudonym) ? pseudonym : '***'));
  const output = await open(file, 'wx', 0o600);
  try {
    const about = { person: user, madeAt: new Date().toISOString(), pseudonyms, devices };
    await output.write(`${JSON.stringify(about).slice(0, -1)},"records":[`);
    let count = 0;
    for await (const item of readAll(data)) {
      if (item.kind !== 'record' || !isAbout(item.record)) continue;
      await output.write(`${count === 0 ? '\n' : ',\n'}${withoutOthers(item.text)}`);
      count += 1;
    }
    await output.write('\n]}\n');
    await output.sync();
    return count;
  } finally {
    await output.close();
  }
}

const anyPseudonym = /p-[0-9]{4}-[0-9]{2}-[a-z2-7]{26}/g;

async function* readAll(data: string): AsyncIterable<SpoolItem> {
  yield* readKept(join(data, dataDirectory.keptRecords), {});
  const directories = [dataDirectory.flows, dataDirectory.accessLog].map((folder) => join(data, folder));
  yield* readPeriod(
    directories.filter((directory) => existsSync(directory)),
    {},
  );
}

function createTest(about: PersonOnRecord): (record: FlowRecord) => boolean {
  const { user, pseudonyms, person, devices } = about;
  const names = new Set([user, `user:${user}`, ...pseudonyms]);
  const ids = new Set(devices.map(({ id }) => id));
  const places = [
    ['unmapped', 'postern', 'user'],
    ['actor', 'user', 'name'],
    ['user', 'name'],
  ];
  // What of a read was asked for: the name, the id of the key in its place, pseudonyms between spaces, or a laptop.
  const asked = new Set([...names, ...ids, ...(person === undefined ? [] : [person])]);
  const isAsked = (text: unknown): boolean =>
    typeof text === 'string' && (asked.has(text) || text.split(' ').some((word) => asked.has(word)));
  return (record) => {
    const named = places.map((place) => memberOf(record, ...place));
    if (named.some((name) => typeof name === 'string' && names.has(name))) return true;
    const target = memberOf(record, 'unmapped', 'postern', 'target');
    if (askedMembers(target).some(isAsked)) return true;
    // A handshake knows the device alone.
    const device = memberOf(record, 'unmapped', 'postern', 'device');
    const isOfNobody = (memberOf(record, 'unmapped', 'postern', 'user') ?? null) === null;
    return isOfNobody && typeof device === 'string' && ids.has(device);
  };
}

/** Not the reason, which somebody wrote. */
function askedMembers(target: unknown): unknown[] {
  if (typeof target !== 'object' || target === null) return [];
  const members: readonly (readonly [string, unknown])[] = Object.entries(target);
  return members.flatMap(([name, value]) => (name === 'reason' ? [] : [value]));
}
