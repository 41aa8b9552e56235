import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import { canonicalJson } from './canonical-json.ts';
import type { ControlApp, ControlParts } from './control-parts.ts';
import { actorOf } from './require-administrator.ts';
import { openAnswer, sealAnswer } from './seal-answer.ts';

const shape = /^(?:"([A-Za-z0-9_.:-]{8,128})"|([A-Za-z0-9_.:-]{8,128}))$/;
/** Headers of an answer that belong to it. */
const keptHeaders = ['content-type', 'etag'] as const;

/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) on requests that change something: for a day, the same
 * key with the same request of the same administrator is answered as the first time, and done once. Refusals are not
 * kept: nothing was done, and what stood in the way may be gone. Those that say that it may have been done are.
 */
export function honorIdempotencyKeys(app: ControlApp, { answers, clock }: ControlParts): void {
  app.addHook('preHandler', async (request, reply) => {
    const field = request.headers['idempotency-key'];
    if (field === undefined || !isChange(request)) return undefined;
    const [, quoted, bare] = shape.exec(String(field)) ?? [];
    const given = quoted ?? bare;
    if (given === undefined)
      throw new GatewayError('invalid-input', {
        problems: ['Idempotency-Key: 8 to 128 letters, digits and _.:-, such as a UUID'],
      });
    const key = `${actorOf(request)} ${given}`;
    const fingerprint = fingerprintOf(request);
    const claim = await answers.claim(key, fingerprint, clock());
    if (claim.state === 'claimed') {
      request.idempotency = { key, given, fingerprint };
      return undefined;
    }
    if (claim.fingerprint !== fingerprint) throw new GatewayError('idempotency-key-reused');
    if (claim.state === 'running') {
      reply.header('retry-after', '1');
      throw new GatewayError('request-in-progress');
    }
    if (claim.state === 'abandoned') throw new GatewayError('change-unknown');
    const { status, headers, body } = claim.answer;
    const opened = openAnswer(body, request.headers.authorization ?? '', given);
    // Of an earlier credential of the same name; to do it again could be to do it twice.
    if (opened === undefined) throw new GatewayError('idempotency-key-reused');
    return (
      reply
        .code(status)
        .headers({ ...headers, 'idempotency-replayed': 'true' })
        // As bytes, to which no charset is added that the first answer did not have.
        .send(Buffer.from(opened))
    );
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const { idempotency } = request;
    if (idempotency === undefined) return payload;
    request.idempotency = undefined;
    const { key, given, fingerprint, mayBeDone = false } = idempotency;
    const isDone = mayBeDone || (reply.statusCode >= 200 && reply.statusCode <= 299);
    if (!isDone || typeof payload !== 'string') {
      await answers.release(key);
      return payload;
    }
    const headers = Object.fromEntries(
      keptHeaders.flatMap((name) => {
        const value = reply.getHeader(name);
        return value === undefined ? [] : [[name, String(value)]];
      }),
    );
    const body = sealAnswer(payload, request.headers.authorization ?? '', given);
    await answers.answer(key, fingerprint, { status: reply.statusCode, headers, body }, clock());
    return payload;
  });
}

const isChange = ({ method, routeOptions: { config } }: FastifyRequest): boolean =>
  method !== 'GET' && config.scope?.endsWith(':write') === true;

/** What makes two requests the same: where they go, what they say, and under which condition. */
export const fingerprintOf = ({
  method,
  url,
  headers,
  body,
}: Pick<FastifyRequest, 'method' | 'url' | 'headers' | 'body'>): string =>
  createHash('sha256')
    .update(JSON.stringify([method, url, headers['if-match'] ?? null, canonicalJson(body ?? null)]))
    .digest('base64url');
