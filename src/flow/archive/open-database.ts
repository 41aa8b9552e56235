import { DuckDBInstance } from '@duckdb/node-api';
import type { DuckDBConnection } from '@duckdb/node-api';

export interface DatabaseOptions {
  /** The only folders that it can read and write, absolute. */
  readonly directories: readonly string[];
  /** One of them, for what does not fit its memory. */
  readonly temporary?: string;
  readonly memoryMegabytes: number;
  readonly threads: number;
}

export interface Database {
  readonly connection: DuckDBConnection;
  close(): void;
}

/**
 * A DuckDB in memory that has these folders and nothing else of the world: no other file, no network, no extension beside those
 * that are built in, and none of this can be changed by a statement.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { directories, temporary, memoryMegabytes, threads } = options;
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: `${memoryMegabytes}MiB`,
    threads: String(threads),
    temp_directory: temporary ?? '',
    // The kernel remembers files already, and in memory that it can take back.
    enable_external_file_cache: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_unsigned_extensions: 'false',
  });
  const connection = await instance.connect();
  await connection.run(`SET allowed_directories = [${directories.map(quoteText).join(', ')}]`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
  return {
    connection,
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** A text of ours, such as a path, where a statement takes no parameter. */
export const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
