import { IncomingMessage } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

/** By their length, so that most names are looked at no further. */
const wanted: Readonly<Record<number, keyof IncomingHttpHeaders>> = {
  6: 'expect',
  7: 'upgrade',
  14: 'content-length',
  17: 'transfer-encoding',
};

/**
 * A request whose `headers` has only the fields that node:http itself asks for. It asks each request for one of them, and
 * would get an object of all fields made for that; we read `rawHeaders`.
 */
export class IncomingRequest extends IncomingMessage {
  #headers: IncomingHttpHeaders | undefined;

  // @ts-expect-error -- a property in the types, an accessor of the prototype in truth
  override get headers(): IncomingHttpHeaders {
    return (this.#headers ??= pick(this.rawHeaders));
  }
}

function pick(raw: readonly string[]): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    const field = wanted[name.length];
    if (field !== undefined && name.toLowerCase() === field) headers[field] ??= raw[index + 1];
  }
  return headers;
}
