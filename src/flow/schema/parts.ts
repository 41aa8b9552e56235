import { Type } from 'typebox';
import type { TObject, TProperties } from 'typebox';
import { textLimits } from '../record/safe-text.ts';

/**
 * What schemas of records are made of. Each member has a description: the page for those who read records
 * (docs/flow-records.md) is written from them.
 */
export const object = <Properties extends TProperties>(
  properties: Properties,
  description?: string,
): TObject<Properties> =>
  Type.Object(properties, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });
export const text = (maxLength: number, description: string): Type.TString =>
  Type.String({ maxLength, description });
export const string = (description: string): Type.TString => Type.String({ description });
export const orNull = <Schema extends Type.TSchema>(
  schema: Schema,
  description: string,
): Type.TUnion<[Schema, Type.TNull]> => Type.Union([schema, Type.Null()], { description });
export const integer = (description: string): Type.TInteger => Type.Integer({ description });
export const count = (description: string): Type.TInteger => Type.Integer({ minimum: 0, description });
export const epochMs = (description: string): Type.TInteger =>
  Type.Integer({ minimum: 0, description: `${description}; epoch milliseconds` });
export const bytes = (description: string): Type.TInteger =>
  Type.Integer({ minimum: 0, description: `${description}; bytes` });
export const literal = <Value extends string | number | boolean>(
  value: Value,
  description: string,
): Type.TLiteral<Value> => Type.Literal(value, { description });
export const literals = <const Values extends readonly (string | number)[]>(
  values: Values,
  description: string,
): Type.TEnum<[...Values]> =>
  // Its own type forgets which values, and in what order.
  Type.Enum([...values], { description }) as unknown as Type.TEnum<[...Values]>;
export const optional = Type.Optional;
export const host = (description: string): Type.TString => text(textLimits.host, description);
export const sha256Hex = (description: string): Type.TString =>
  Type.String({ pattern: '^[0-9a-f]{64}$', description: `${description}; SHA-256 in hexadecimal` });
export const withoutQuery = (description: string): Type.TString =>
  Type.String({ maxLength: textLimits.path, pattern: '^[^?#]*$', description });
