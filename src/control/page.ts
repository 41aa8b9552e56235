import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { GatewayError } from '../contract/gateway-error.ts';

/** How a list is asked for piece by piece. Queries are text, and nothing is coerced. */
export const PageQuery = {
  limit: Type.Optional(
    Type.String({ pattern: '^[1-9][0-9]{0,3}$', description: 'at most so many, 100 without' }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 1024, description: '`next` of the page before' })),
};

export const limitOf = ({ limit }: { readonly limit?: string }): number =>
  Math.min(Number(limit ?? 100), 1000);

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
