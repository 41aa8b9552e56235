import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { problemSchema } from './describe-routes.ts';

/** What every route has in common; routes add themselves. */
export const openApiDocument: NonNullable<FastifyDynamicSwaggerOptions['openapi']> = {
  openapi: '3.1.0',
  info: {
    title: 'Postern control plane',
    version: '1',
    description:
      'Refusals are RFC 9457 problem details (`application/problem+json`) with `code`, `help`, `flow_id`, and `problems` where input has several. Changes answer when every worker has them in force.',
  },
  components: {
    schemas: { Problem: problemSchema as never },
    securitySchemes: {
      apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, `pak1.…`' },
      // The library's types are of OpenAPI 3.0, which has no such scheme; the document is 3.1.
      deviceCertificate: {
        type: 'mutualTLS',
        description: 'The certificate that the device was given at enrollment',
      } as never,
    },
  },
  security: [{ apiKey: [] }],
  tags: [
    { name: 'resources', description: 'Networks, apps, groups and policies, declared' },
    { name: 'administrators', description: 'Who may do what: roles and API keys' },
    { name: 'devices', description: 'Enrollment, certificates, session tokens and device state' },
    { name: 'sign-in', description: 'What the identity provider tells' },
    { name: 'flows', description: 'What flow records say' },
    { name: 'gateways', description: 'How the gateways do' },
    { name: 'policies', description: 'Decisions explained' },
    { name: 'applications', description: 'For the applications behind the gateway' },
  ],
};
