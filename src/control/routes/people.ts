import {
  EraseRequest,
  EraseResponse,
  PseudonymsRequest,
  PseudonymsResponse,
  ReidentifyRequest,
  ReidentifyResponse,
} from '../../contract/people.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import type { People } from '../people/people.ts';
import { actorOf } from '../api/require-administrator.ts';

/** In one text of the access log, which bounds each. */
const atOnce = 6;

/**
 * POST /v1/people/reidentify, …/pseudonyms and …/erase: from a pseudonym in records to the person, back, and the end of both ways.
 * Each look is in the access log with its reason before the answer leaves; there stands the id of the person's key, not the name.
 */
export function peopleRoutes(app: ControlApp, parts: ControlParts): void {
  const configured = (): People => {
    if (parts.people === undefined) throw new GatewayError('pseudonyms-off');
    return parts.people;
  };
  const read = {
    roles: ['owner', 'security'],
    scope: 'people:read',
    refusals: ['pseudonyms-off'],
  } as const;

  app.post(
    '/v1/people/reidentify',
    {
      config: read,
      schema: {
        summary: 'Who is behind pseudonyms in records; the access log says who asked, and why',
        tags: ['people'],
        body: ReidentifyRequest,
        response: { 200: ReidentifyResponse },
      },
    },
    async (request) => {
      const { pseudonyms, reason } = request.body;
      request.readTarget = { ...allOf(pseudonyms), reason };
      const found = await configured().reidentify(pseudonyms);
      return {
        people: [...found].map(([pseudonym, user]) => ({ pseudonym, user })),
      };
    },
  );

  app.post(
    '/v1/people/pseudonyms',
    {
      config: read,
      schema: {
        summary: 'What records call a person, one a month; the access log says who asked, and why',
        tags: ['people'],
        body: PseudonymsRequest,
        response: { 200: PseudonymsResponse },
      },
    },
    async (request) => {
      const { user, reason } = request.body;
      const people = configured();
      const person = await people.idOf(user);
      request.readTarget = { person: person ?? 'unknown', reason };
      const pseudonyms = [...(await people.pseudonyms(user))];
      return person === undefined ? { pseudonyms } : { pseudonyms, person };
    },
  );

  app.post(
    '/v1/people/erase',
    {
      config: { roles: ['owner'], scope: 'people:write', refusals: ['pseudonyms-off', 'not-found'] },
      schema: {
        summary: 'Destroy the key of a person: nobody can tell any more whom these pseudonyms were of',
        tags: ['people'],
        body: EraseRequest,
        response: { 200: EraseResponse },
      },
    },
    async (request) => {
      const { user, reason } = request.body;
      const people = configured();
      const person = await people.idOf(user);
      if (person === undefined)
        throw new GatewayError('not-found', { detail: 'there is no key of this person' });
      // First what says it: a copy of the key that turns up later, from a backup, goes by it.
      await commitEnforced(parts, actorOf(request), () => ({
        events: [{ type: 'person-erased', person, reason }],
        value: person,
      }));
      await people.destroy(new Set([person]));
      return { person };
    },
  );
}

/** Every one that was asked for: a list that ends with how many more there were would hide those behind whom somebody looked. */
function allOf(pseudonyms: readonly string[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (let from = 0; from < pseudonyms.length; from += atOnce)
    texts[from === 0 ? 'pseudonyms' : `pseudonyms-${from / atOnce + 1}`] = pseudonyms
      .slice(from, from + atOnce)
      .join(' ');
  return texts;
}
