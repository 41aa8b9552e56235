import { randomBytes } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Sealer } from '../../identity/sealer.ts';
import type { PeopleStore } from './people-store.ts';
import { monthOf, monthOfPseudonym, pseudonymOf } from './pseudonym.ts';

/** The names behind pseudonyms in records. All of it throws what the store throws: no name is guessed, none given away. */
export interface People {
  /** What records call a person from a time (epoch milliseconds) on. The key is made where there is none yet. */
  pseudonym(user: string, at: number): Promise<string>;
  /** What records call a person, one for each month of which there is a key; none for someone of whom there is no key. */
  pseudonyms(user: string): Promise<readonly string[]>;
  /** Who is behind them; what leads to nobody, or to nobody any more, is left out. */
  reidentify(pseudonyms: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Id of the key of a person, which names nobody. */
  idOf(user: string): Promise<string | undefined>;
  /** Destroys keys by their ids. @returns how many were there */
  destroy(ids: ReadonlySet<string>): Promise<number>;
  /** Destroys the keys of months that ended before a time (epoch milliseconds). @returns how many */
  forgetMonths(before: number): Promise<number>;
  close(): void;
}

const strict = { additionalProperties: false } as const;
const PersonKey = Type.Object(
  { user: Type.String(), id: Type.String(), key: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }) },
  strict,
);
type PersonKey = Static<typeof PersonKey>;
const MonthKey = Type.Object(
  { month: Type.String(), key: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }) },
  strict,
);
type MonthKey = Static<typeof MonthKey>;
const [personShape, monthShape] = [Compile(PersonKey), Compile(MonthKey)];
const purpose = 'person key';
const newKey = (): string => randomBytes(32).toString('base64url');
const bytesOf = (key: string): Buffer => Buffer.from(key, 'base64url');
/** People whose pseudonyms are worked out before others get their turn. */
const atOnce = 500;

export function createPeople(store: PeopleStore, sealer: Sealer): People {
  const nameOf = (user: string): string => `person:${sealer.tag(purpose, user)}`;
  const nameOfMonth = (month: string): string => `month:${month}`;
  const openPerson = (sealed: string): PersonKey => {
    const value = sealer.open(purpose, sealed);
    if (!personShape.Check(value)) throw new Error('key of a person cannot be opened');
    return value;
  };
  const openMonth = (sealed: string): Buffer => {
    const value = sealer.open(purpose, sealed);
    if (!monthShape.Check(value)) throw new Error('key of a month cannot be opened');
    return bytesOf(value.key);
  };
  const findMonth = async (month: string): Promise<Buffer | undefined> => {
    const sealed = await store.get(nameOfMonth(month));
    return sealed === undefined ? undefined : openMonth(sealed);
  };
  const find = async (user: string): Promise<PersonKey | undefined> => {
    const sealed = await store.get(nameOf(user));
    return sealed === undefined ? undefined : openPerson(sealed);
  };
  /** Records are written with it: none may lead to a key that is lost with one machine. */
  const lasting = async (name: string, make: () => PersonKey | MonthKey): Promise<string> =>
    (await store.getLasting(name)) ?? (await store.putNew(name, sealer.seal(purpose, make())));
  async function* everybody(): AsyncIterable<PersonKey & { readonly name: string }> {
    let count = 0;
    for (const [name, sealed] of await store.all()) {
      if (!name.startsWith('person:')) continue;
      yield { name, ...openPerson(sealed) };
      count += 1;
      if (count % atOnce === 0) await breathe();
    }
  }

  return {
    async pseudonym(user, at) {
      const month = monthOf(at);
      const monthKey = openMonth(await lasting(nameOfMonth(month), () => ({ month, key: newKey() })));
      const person = openPerson(
        await lasting(nameOf(user), () => ({ user, id: randomBytes(8).toString('hex'), key: newKey() })),
      );
      return pseudonymOf(bytesOf(person.key), monthKey, month);
    },
    async pseudonyms(user) {
      const person = await find(user);
      if (person === undefined) return [];
      const months = [...(await store.all())].filter(([name]) => name.startsWith(nameOfMonth('')));
      return months
        .map(([name, sealed]) =>
          pseudonymOf(bytesOf(person.key), openMonth(sealed), name.slice(nameOfMonth('').length)),
        )
        .toSorted();
    },
    async reidentify(pseudonyms) {
      const wanted = new Set(pseudonyms);
      const months = new Map<string, Buffer>();
      for (const pseudonym of wanted) {
        const month = monthOfPseudonym(pseudonym);
        const key = month === undefined || months.has(month) ? undefined : await findMonth(month);
        if (month !== undefined && key !== undefined) months.set(month, key);
      }
      const found = new Map<string, string>();
      if (months.size === 0) return found;
      for await (const { user, key } of everybody())
        for (const [month, monthKey] of months) {
          const pseudonym = pseudonymOf(bytesOf(key), monthKey, month);
          if (wanted.has(pseudonym)) found.set(pseudonym, user);
        }
      return found;
    },
    idOf: async (user) => (await find(user))?.id,
    async destroy(ids) {
      let destroyed = 0;
      for await (const { id, name } of everybody()) {
        if (!ids.has(id)) continue;
        await store.drop(name);
        destroyed += 1;
      }
      return destroyed;
    },
    async forgetMonths(before) {
      const oldest = nameOfMonth(monthOf(before));
      let forgotten = 0;
      for (const name of (await store.all()).keys())
        if (name.startsWith('month:') && name < oldest) {
          await store.drop(name);
          forgotten += 1;
        }
      return forgotten;
    },
    close: () => store.close(),
  };
}
