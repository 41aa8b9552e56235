import type { Logger } from 'pino';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { describeError } from '../agent-error.ts';
import { isInterceptAddress } from '../intercept/address-book.ts';
import { writeFilesAtomically } from './atomic-file.ts';
import { readOwnedFile } from './owned-file.ts';

/** `addresses.json`: host by host, the loopback address that it has been given. */
export const AddressFile = Type.Object(
  { version: Type.Literal(1), addresses: Type.Record(Type.String({ maxLength: 253 }), Type.String()) },
  { additionalProperties: false },
);

/** What is kept; nothing where there is no such file. One that cannot be used is said to be so, and begun anew. */
export function loadAddresses(path: string, log: Logger): Readonly<Record<string, string>> {
  try {
    const text = readOwnedFile(path, 'secret');
    if (text === undefined) return {};
    const value: unknown = JSON.parse(text);
    if (!Value.Check(AddressFile, value)) throw new Error('not what was written there');
    const given = Object.values(value.addresses);
    if (!given.every(isInterceptAddress) || new Set(given).size !== given.length)
      throw new Error('not one address of 127.64.0.0/10 for each host');
    return value.addresses;
  } catch (error) {
    // Nearly all hosts get the same address again: it is made of their name.
    log.warn({ file: path, reason: describeError(error) }, 'addresses of applications begin anew');
    return {};
  }
}

export function saveAddresses(path: string, addresses: Readonly<Record<string, string>>): void {
  writeFilesAtomically([{ path, content: `${JSON.stringify({ version: 1, addresses })}\n` }]);
}
