import { pagePolicy } from '../../contract/page-style.ts';
import { paragraph, prefersFrench, renderPage } from '../../contract/person-page.ts';
import type { ControlApp } from '../api/control-parts.ts';

const texts = {
  en: {
    title: 'Control plane',
    what: 'This is the control plane of a zero-trust access gateway. Laptops enroll here, and administrators use it with the `postern` command or its API.',
    looking:
      'Looking for an application? Open it by its own address; the agent on your laptop brings you there.',
    api: 'The API, described (OpenAPI 3.1)',
    keys: 'Keys with which applications verify who is asking',
  },
  fr: {
    title: 'Plan de contrôle',
    what: "Voici le plan de contrôle d'une passerelle d'accès « zero trust ». Les ordinateurs s'y enrôlent, et les administrateurs s'en servent avec la commande `postern` ou son API.",
    looking:
      "Vous cherchez une application ? Ouvrez-la par sa propre adresse ; l'agent de votre ordinateur vous y mène.",
    api: "La description de l'API (OpenAPI 3.1)",
    keys: 'Les clés avec lesquelles les applications vérifient qui demande',
  },
} as const;

function homePage(language: 'en' | 'fr'): string {
  const { title, what, looking, api, keys } = texts[language];
  const links = `<ul>
<li><a href="/v1/openapi.json">${api}</a></li>
<li><a href="/.well-known/postern/jwks.json">${keys}</a></li>
</ul>`;
  return renderPage({ language, title, body: [paragraph(looking), paragraph(what), links].join('\n') });
}

/** GET /: says what this is to someone who opens the address in a browser. */
export function homeRoute(app: ControlApp): void {
  app.get('/', { schema: { hide: true } }, async (request, reply) => {
    const language = prefersFrench(request.headers['accept-language']) ? 'fr' : 'en';
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-language', language)
      .header('vary', 'Accept-Language')
      .header('content-security-policy', pagePolicy);
    return homePage(language);
  });
}
