import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { resourceKinds } from '../../domain/resources.ts';
import { mapOfKind } from '../../ledger/resource-maps.ts';
import { canonicalJson } from './canonical-json.ts';

/** Values of the state are replaced and never changed, so what one is called stays true for as long as it is there. */
const known = new WeakMap<object, string>();

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 22);

function contentTag(value: object): string {
  let tag = known.get(value);
  if (tag === undefined) known.set(value, (tag = digest(canonicalJson(value))));
  return tag;
}

/** The entity tag (RFC 9110, section 8.8.3) of a resource or a device: the same while it says the same. */
export const etagOf = (value: object): string => `"${contentTag(value)}"`;

/** The entity tag of all resources together: what an `apply` was planned against. */
export function resourcesEtag(state: ControlState): string {
  const lines = resourceKinds.flatMap((kind) =>
    [...mapOfKind(state, kind)].map(([name, resource]) => `${kind}/${name} ${contentTag(resource)}`),
  );
  return `"${digest(lines.sort().join('\n'))}"`;
}

const listShape = /^(?:W\/)?"[!#-~]*"(?:[ \t]*,[ \t]*(?:W\/)?"[!#-~]*")*$/;

/**
 * What a request's `If-Match` (RFC 9110, section 13.1.1) has to say about the entity tag that a change would replace: a
 * refusal when that is none of those that the client saw. To be asked within the decision that is committed, or it would
 * be stale itself. @throws GatewayError for a field that is malformed
 */
export function preconditionOf(request: FastifyRequest): (current: () => string) => Refusal | undefined {
  const field = request.headers['if-match'];
  if (field === undefined || field.trim() === '*') return () => undefined;
  if (!listShape.test(field))
    throw new GatewayError('invalid-input', { problems: ['If-Match: must be * or entity tags in quotes'] });
  // Weak tags never match here, as the RFC says.
  const tags: readonly string[] = field.match(/(?:W\/)?"[!#-~]*"/g) ?? [];
  return (current) => {
    const tag = current();
    return tags.includes(tag) ? undefined : refuse('precondition-failed', `it is now ${tag}`);
  };
}

/** A client that sends `If-Match` relies on it: where nothing would look at it, nothing is done. */
export async function refuseIdlePrecondition(request: FastifyRequest): Promise<void> {
  if (request.headers['if-match'] !== undefined && request.routeOptions.config.honorsIfMatch !== true)
    throw new GatewayError('invalid-input', { problems: ['If-Match: has no meaning for this route'] });
}
