import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { PeopleStore } from './people-store.ts';

/**
 * In a file of its own, readable by this user alone. What is dropped is overwritten in the file, and no log beside it keeps
 * a copy. Several processes of one server may have it open. @throws what SQLite and the file system throw
 */
export function openSqlitePeople(path: string): PeopleStore {
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout: 5000, allowExtension: false });
  // A journal that stays would hold pages as they were.
  database.exec(
    `PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;
     CREATE TABLE IF NOT EXISTS people (name TEXT PRIMARY KEY, sealed TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  );
  const read = database.prepare('SELECT sealed FROM people WHERE name = ?');
  const put = database.prepare('INSERT INTO people (name, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const readAll = database.prepare('SELECT name, sealed FROM people');
  const remove = database.prepare('DELETE FROM people WHERE name = ?');
  const sealedOf = (name: string): string | undefined => read.get(name)?.['sealed'] as string | undefined;
  return {
    get: async (name) => sealedOf(name),
    getLasting: async (name) => sealedOf(name),
    async putNew(name, sealed) {
      put.run(name, sealed);
      return sealedOf(name) ?? sealed;
    },
    all: async () => new Map(readAll.all().map(({ name, sealed }) => [name as string, sealed as string])),
    async drop(name) {
      remove.run(name);
    },
    close: () => database.close(),
  };
}
