import type { FastifyRequest } from 'fastify';
import { isPseudonym } from '../../contract/session-token.ts';
import { isMachineName } from '../../domain/subject.ts';
import type { FlowFilter } from '../../flow/search/flow-query.ts';
import type { ControlParts } from '../api/control-parts.ts';
import { requireAdmission } from '../api/require-administrator.ts';

/**
 * The filter for records in which people have pseudonyms: who is asked for by name is looked for under all of them, and under the
 * name, which records from before have. That tells whom a pseudonym is of, so it takes the right to know.
 * @throws GatewayError for whoever may not
 */
export async function findByName(
  filter: FlowFilter,
  request: FastifyRequest,
  { people }: Pick<ControlParts, 'people'>,
): Promise<FlowFilter> {
  const { user, ...rest } = filter;
  if (people === undefined || user === undefined || isPseudonym(user) || isMachineName(user)) return filter;
  requireAdmission(request, { roles: ['owner', 'security'], scope: 'people:read' });
  return { ...rest, users: [user, ...(await people.pseudonyms(user))] };
}
