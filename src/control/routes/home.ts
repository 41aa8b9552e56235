import type { ControlApp } from '../control-parts.ts';

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Postern control plane</title>
<h1>Postern</h1>
<p>This is the control plane of a zero-trust access gateway. Laptops enroll here, and administrators use it with the
<code>postern</code> command or its API.</p>
<ul>
<li><a href="/v1/openapi.json">The API, described (OpenAPI 3.1)</a></li>
<li><a href="/.well-known/postern/jwks.json">Keys with which applications verify who is asking</a></li>
</ul>
<p>Looking for an application? Open it by its own address; the agent on your laptop brings you there.</p>
</html>
`;

/** GET /: says what this is to someone who opens the address in a browser. */
export function homeRoute(app: ControlApp): void {
  app.get('/', { schema: { hide: true } }, async (_request, reply) => {
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    return page;
  });
}
