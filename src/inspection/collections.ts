import type { Anomaly } from './anomalies.ts';
import { readBodyContent } from './bodies/read-body.ts';
import type { BodyContent, Pair } from './bodies/body-content.ts';
import { readUrlEncoded } from './bodies/urlencoded.ts';
import type { InspectedRequest } from './request.ts';
import { decodeUrl } from './transformations.ts';

/** One value that rules look at. */
export interface Item {
  readonly collection: string;
  /** Lower case, of members of a collection. */
  readonly key: string;
  /** As it came. */
  readonly name: string;
  readonly value: string;
}

const item = (collection: string, name: string, value: string): Item => ({
  collection,
  key: name.toLowerCase(),
  name,
  value,
});
const single = (collection: string, value: string): Item[] => [item(collection, '', value)];
const all = (collection: string, pairs: readonly Pair[]): Item[] =>
  pairs.map(([name, value]) => item(collection, name, value));
const namesOf = (collection: string, pairs: readonly Pair[]): Item[] =>
  pairs.map(([name]) => item(collection, name, name));

/** The variables of a request, each made when a rule first asks for it. */
export class RequestCollections {
  readonly request: InspectedRequest;
  readonly path: string;
  readonly anomalies = new Set<Anomaly>();
  readonly #made = new Map<string, readonly Item[]>();
  readonly #fields: readonly Pair[];
  readonly #query: string;
  readonly #queryArgs: readonly Pair[];
  readonly #cookies: readonly Pair[];
  readonly #body: BodyContent;

  constructor(request: InspectedRequest) {
    this.request = request;
    const { target, fields } = request;
    const mark = target.indexOf('?');
    this.path = mark === -1 ? target : target.slice(0, mark);
    this.#query = mark === -1 ? '' : target.slice(mark + 1);
    const pairs: Pair[] = [];
    for (let at = 0; at + 1 < fields.length; at += 2) pairs.push([fields[at] ?? '', fields[at + 1] ?? '']);
    this.#fields = pairs;
    this.#queryArgs = readUrlEncoded(this.#query, this.anomalies);
    this.#cookies = pairs.filter(([name]) => name === 'cookie').flatMap(([, value]) => readCookies(value));
    this.#body = readBodyContent(
      this.#field('content-type'),
      this.#field('content-encoding'),
      request.body,
      request.isBodyCut,
    );
    for (const anomaly of this.#body.anomalies) this.anomalies.add(anomaly);
  }

  items(collection: string): readonly Item[] {
    let items = this.#made.get(collection);
    if (items === undefined) {
      items = this.#make(collection);
      this.#made.set(collection, items);
    }
    return items;
  }

  /** Why nothing of a body that is there was read. */
  get unread(): 'encoded' | 'opaque' | undefined {
    if (this.request.body === '' || this.#body.processor !== '' || this.#body.args.length > 0)
      return undefined;
    return this.#body.anomalies.has('90002') ? 'encoded' : 'opaque';
  }

  /** Whether a collection is one that there is, if only as an empty one. */
  static knows(collection: string): boolean {
    return collections.has(collection);
  }

  #field(wanted: string): string {
    return this.#fields.find(([name]) => name === wanted)?.[1] ?? '';
  }

  get #args(): readonly Pair[] {
    return [...this.#queryArgs, ...this.#body.args];
  }

  #make(name: string): readonly Item[] {
    const { request, path } = this;
    const body = this.#body;
    switch (name) {
      case 'ARGS':
        return all(name, this.#args);
      case 'ARGS_NAMES':
        return namesOf(name, this.#args);
      case 'ARGS_GET':
        return all(name, this.#queryArgs);
      case 'ARGS_GET_NAMES':
        return namesOf(name, this.#queryArgs);
      case 'ARGS_POST':
        return all(name, body.args);
      case 'ARGS_POST_NAMES':
        return namesOf(name, body.args);
      case 'ARGS_COMBINED_SIZE':
        return single(
          name,
          String(this.#args.reduce((sum, [key, value]) => sum + key.length + value.length, 0)),
        );
      case 'REQUEST_COOKIES':
        return all(name, this.#cookies);
      case 'REQUEST_COOKIES_NAMES':
        return namesOf(name, this.#cookies);
      case 'REQUEST_HEADERS':
        return all(name, this.#fields);
      case 'REQUEST_HEADERS_NAMES':
        return namesOf(name, this.#fields);
      case 'REQUEST_METHOD':
        return single(name, request.method);
      case 'REQUEST_PROTOCOL':
        return single(name, request.protocol);
      case 'REQUEST_LINE':
        return single(name, `${request.method} ${request.target} ${request.protocol}`);
      case 'REQUEST_URI':
      case 'REQUEST_URI_RAW':
        return single(name, request.target);
      case 'REQUEST_FILENAME':
        return single(name, decodeUrl(path));
      case 'REQUEST_BASENAME':
        return single(name, decodeUrl(path.slice(path.lastIndexOf('/') + 1)));
      case 'QUERY_STRING':
        return single(name, this.#query);
      case 'REQUEST_BODY':
        // Of a form in parts, of JSON and XML the rules see what is in them.
        return body.processor === '' || body.processor === 'URLENCODED' ? single(name, request.body) : [];
      case 'REQUEST_BODY_LENGTH':
        return single(name, String(request.body.length));
      case 'REQBODY_PROCESSOR':
        return single(name, body.processor);
      case 'FILES':
        return all(name, body.files);
      case 'FILES_NAMES':
        return namesOf(name, body.files);
      case 'MULTIPART_PART_HEADERS':
        return all(name, body.partHeaders);
      case 'XML':
        return [
          ...body.xmlTexts.map((value) => ({ collection: name, key: '/*', name: '/*', value })),
          ...body.xmlAttributes.map((value) => ({ collection: name, key: '//@*', name: '//@*', value })),
        ];
      case 'REMOTE_ADDR':
        return single(name, request.clientAddress);
      default:
        return [];
    }
  }
}

function readCookies(value: string): Pair[] {
  return value
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part): Pair => {
      const equals = part.indexOf('=');
      return equals === -1 ? [part, ''] : [part.slice(0, equals).trim(), part.slice(equals + 1).trim()];
    });
}

/** Arguments of a request, by all the ways in which rules name them. */
export const argumentCollections: ReadonlySet<string> = new Set([
  'ARGS',
  'ARGS_NAMES',
  'ARGS_GET',
  'ARGS_GET_NAMES',
  'ARGS_POST',
  'ARGS_POST_NAMES',
]);

/** Of these the last ones stay empty: there is no memory of addresses and no map of the world. */
const collections = new Set([
  ...argumentCollections,
  'ARGS_COMBINED_SIZE',
  'REQUEST_COOKIES',
  'REQUEST_COOKIES_NAMES',
  'REQUEST_HEADERS',
  'REQUEST_HEADERS_NAMES',
  'REQUEST_METHOD',
  'REQUEST_PROTOCOL',
  'REQUEST_LINE',
  'REQUEST_URI',
  'REQUEST_URI_RAW',
  'REQUEST_FILENAME',
  'REQUEST_BASENAME',
  'QUERY_STRING',
  'REQUEST_BODY',
  'REQUEST_BODY_LENGTH',
  'REQBODY_PROCESSOR',
  'FILES',
  'FILES_NAMES',
  'MULTIPART_PART_HEADERS',
  'XML',
  'REMOTE_ADDR',
  'FILES_COMBINED_SIZE',
  'IP',
  'GEO',
  'DURATION',
  'UNIQUE_ID',
]);
