import { X509Certificate } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { DerError } from '../../../certs/der.ts';
import { readRequest } from '../../../certs/scep/message.ts';
import { certificatesOnly } from '../../../certs/scep/signed-data.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { answerScep } from '../devices/answer-scep.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';

/**
 * GetCACaps (RFC 8894, section 3.5.2). DES3 and SHA-1 are not taken, so they are not offered. SHA-384 has no keyword there;
 * strongSwan 5.9.8 finds neither AES nor SHA-256 without it.
 */
const capabilities = ['AES', 'POSTPKIOperation', 'SHA-256', 'SHA-384', 'SHA-512', 'Renewal', 'SCEPStandard'];
const maxMessageBytes = 32_768;
const messageType = 'application/x-pki-message';
const authorityType = 'application/x-x509-ca-ra-cert';

const strict = { additionalProperties: false } as const;
const Get = Type.Object(
  {
    operation: Type.Enum(['GetCACaps', 'GetCACert', 'PKIOperation']),
    message: Type.Optional(Type.String({ description: 'of PKIOperation, base64', maxLength: 16_384 })),
  },
  strict,
);
const Post = Type.Object({ operation: Type.Literal('PKIOperation') }, strict);
const Binary = Type.Any({ description: 'DER' });

/**
 * GET and POST /v1/scep (RFC 8894): how devices under a device management get and renew their certificates. It is not there
 * unless the settings have `scep`.
 */
export function scepRoutes(app: ControlApp, parts: ControlParts): void {
  const { managed } = parts;
  const scep = managed?.scep;
  if (managed === undefined || scep === undefined) return;
  const limit = parts.failures.scep;
  const authority = new X509Certificate(managed.authorityPem).raw;
  const certificates = (): Buffer =>
    certificatesOnly([scep.registrations.current().certificate.raw, authority]);
  app.removeAllContentTypeParsers();
  // Some systems name no type at all. There is one parser, and no schema that it could lead past.
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxMessageBytes }, (_request, body, done) =>
    done(null, body),
  );

  const operate = async (
    request: FastifyRequest,
    reply: FastifyReply,
    message: Buffer | undefined,
  ): Promise<FastifyReply> => {
    const address = request.socket.remoteAddress ?? '';
    if (await limit.isBlocked(address)) throw new GatewayError('rate-limited');
    let asked;
    try {
      asked = readRequest(message ?? Buffer.alloc(0));
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      await limit.failed(address);
      throw new GatewayError('scep-message-invalid', { detail: error.message });
    }
    const { certRep, refusal, device } = await answerScep(parts, managed, scep, asked);
    const { messageType: type, transactionId } = asked;
    if (refusal === undefined) {
      // Where workers know the device too: it may turn to one next.
      await parts.fleet.applied(parts.store.state.head.sequence, parts.enforcementTimeoutMs);
      request.log.info({ type, transactionId, device }, 'certificate issued by SCEP');
    } else {
      await limit.failed(address);
      if (refusal.code === 'device-lost')
        parts.lostDevices.seen({ device: refusal.detail ?? '', source: address }, request.log);
      request.log.info({ ...refusal, type, transactionId }, 'SCEP request refused');
    }
    return reply.header('content-type', messageType).send(certRep);
  };
  const about = (summary: string) => ({ summary, tags: ['devices'], security: [] });

  app.get(
    '/v1/scep',
    {
      config: { refusals: ['scep-message-invalid', 'rate-limited'] },
      schema: {
        ...about('SCEP (RFC 8894): capabilities, certificates, and messages in the query'),
        querystring: Get,
        response: {
          200: {
            content: {
              'text/plain': { schema: Type.Any({ description: 'capabilities, one a line' }) },
              [authorityType]: { schema: Binary },
              [messageType]: { schema: Binary },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { operation, message } = request.query;
      switch (operation) {
        case 'GetCACaps':
          return reply.header('content-type', 'text/plain').send(`${capabilities.join('\n')}\n`);
        case 'GetCACert':
          return reply.header('content-type', authorityType).send(certificates());
        case 'PKIOperation':
          return operate(request, reply, decodeBase64(message));
      }
    },
  );
  app.post(
    '/v1/scep',
    {
      bodyLimit: maxMessageBytes,
      config: { mediaType: 'pki', refusals: ['scep-message-invalid', 'rate-limited'] },
      schema: {
        ...about('SCEP (RFC 8894): a message that asks for a certificate'),
        consumes: [messageType],
        querystring: Post,
        body: Binary,
        response: { 200: { content: { [messageType]: { schema: Binary } } } },
      },
    },
    async (request, reply) =>
      operate(request, reply, Buffer.isBuffer(request.body) ? request.body : undefined),
  );
}

/** Only the canonical encoding: Node skips what it does not understand. */
function decodeBase64(text = ''): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
