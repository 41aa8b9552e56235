import { GatewayError } from '../../contract/gateway-error.ts';
import type { ControlApp } from './control-parts.ts';
import { findRepeatedMember } from './repeated-members.ts';

/** Reads JSON bodies as the framework does, `__proto__` and its like refused, and none that could be read two ways. */
export function parseStrictJson(app: ControlApp): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    void parse(request, text as string, (error, body: unknown) => {
      if (error !== null) return done(error);
      const repeated = findRepeatedMember(text as string);
      if (repeated === undefined) return done(null, body);
      const problems = [`body.${repeated}: is there twice; send it once`];
      done(new GatewayError('invalid-input', { problems }));
    });
  });
}
