import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { GatewayError } from '../../contract/gateway-error.ts';

interface PageQuery {
  readonly limit?: string;
  readonly cursor?: string;
}

const maxLimit = 1000;
export const limitOf = ({ limit }: PageQuery, otherwise = maxLimit): number =>
  Math.min(Number(limit ?? otherwise), maxLimit);

const Behind = Type.Object({ after: Type.String() }, { additionalProperties: false });

/**
 * One page of a list in the order of its names. The cursor is the last name that was shown, so that what comes and goes
 * meanwhile neither repeats nor hides another.
 */
export function pageOf<Item>(
  items: Iterable<Item>,
  nameOf: (item: Item) => string,
  query: PageQuery,
): { readonly items: Item[]; readonly next?: string } {
  const after = parseCursor(Behind, query.cursor)?.after;
  const rest = [...items].filter((item) => after === undefined || nameOf(item) > after);
  const shown = rest.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).slice(0, limitOf(query));
  const last = shown.at(-1);
  return shown.length === rest.length || last === undefined
    ? { items: shown }
    : { items: shown, next: formatCursor({ after: nameOf(last) }) };
}

/** A place as the opaque text that a client gives back. */
export const formatCursor = (place: unknown): string =>
  Buffer.from(JSON.stringify(place)).toString('base64url');

/** @throws GatewayError for a text that is no cursor of this list. */
export function parseCursor<Schema extends TSchema>(
  schema: Schema,
  text: string | undefined,
): Static<Schema> | undefined {
  if (text === undefined) return undefined;
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    place = undefined;
  }
  if (Value.Check(schema, place)) return place;
  throw notACursor();
}

export const notACursor = (): GatewayError =>
  new GatewayError('invalid-input', { problems: ['cursor: is none of this list; begin without one'] });
