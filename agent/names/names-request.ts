import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { isInterceptAddress } from '../intercept/address-book.ts';

const hostPattern =
  '^(?=.{4,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\\.[a-z][a-z0-9-]{0,61}[a-z0-9]$';

/**
 * `names.json`: what the agent, which has no privilege, asks of the helper, which has. All that it can say is that names
 * of two labels or more lead to loopback addresses of one range: not to another machine, and not for a whole top-level
 * domain.
 */
export const NamesRequest = Type.Object(
  {
    version: Type.Literal(1),
    /** `address:port` of the agent's resolver. */
    resolver: Type.String({ pattern: '^127\\.64\\.0\\.[0-9]{1,3}:[0-9]{1,5}$' }),
    /** Hosts of applications, each with its address; null where nothing answers there now. */
    hosts: Type.Array(
      Type.Object(
        { host: Type.String({ pattern: hostPattern }), address: Type.Union([Type.String(), Type.Null()]) },
        { additionalProperties: false },
      ),
      { maxItems: 4096 },
    ),
  },
  { additionalProperties: false },
);
export type NamesRequest = Static<typeof NamesRequest>;

export const isNamesRequest = (value: unknown): value is NamesRequest =>
  Value.Check(NamesRequest, value) &&
  value.resolver.split(/[.:]/).every((part, index) => Number(part) <= (index === 4 ? 65_535 : 255)) &&
  value.hosts.every(({ address }) => address === null || isInterceptAddress(address));

/** @throws where the text is no such request. */
export function parseNamesRequest(text: string): NamesRequest {
  const value: unknown = JSON.parse(text);
  if (!isNamesRequest(value)) throw new Error('not a request of the agent');
  return value;
}
