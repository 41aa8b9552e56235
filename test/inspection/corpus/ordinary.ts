import { form, json, multipart } from './corpus-request.ts';
import type { CorpusRequest } from './corpus-request.ts';

const fields = (values: Readonly<Record<string, string>>): string => new URLSearchParams(values).toString();
const search = (text: string): CorpusRequest => ({ target: `/recherche?q=${encodeURIComponent(text)}` });
const sent = (values: Readonly<Record<string, string>>, target = '/demarche/etape-2'): CorpusRequest => ({
  target,
  type: form,
  body: fields(values),
});
const api = (value: unknown, target = '/api/v1/dossiers', method = 'POST'): CorpusRequest => ({
  method,
  target,
  type: json,
  body: JSON.stringify(value),
  fields: { accept: json },
});

/** What people of an administration and their programs ask for all day. */
export const ordinary: Readonly<Record<string, readonly CorpusRequest[]>> = {
  pages: [
    { target: '/' },
    { target: '/index.html' },
    { target: '/assets/app.3f9a1b.js' },
    { target: '/assets/style.css?v=2026.11' },
    { target: '/images/blason%20r%C3%A9gion.png' },
    { target: '/dossiers/2026/000123' },
    { target: '/dossiers?page=2&tri=-date&par=50' },
    { target: '/agenda?du=2026-11-01&au=2026-11-30' },
    { target: '/documents/Compte-rendu%20(d%C3%A9finitif)%20n%C2%B012.pdf' },
    { target: '/favicon.ico' },
    { target: '/carte?bbox=2.1,48.7,2.5,49.0&zoom=12' },
    { target: '/compte?retour=%2Fdossiers%2F42%3Fonglet%3Dpieces' },
    { target: '/fichiers/annee%202025/bilan%26perspectives.xlsx' },
    { target: '/', method: 'HEAD' },
    { target: '/healthz', fields: { accept: '*/*' } },
    { target: '/statistiques?periode[]=2025&periode[]=2026' },
  ],
  search: [
    search("l'école"),
    search("lycée d'Artagnan"),
    search("O'Brien"),
    search("l'eau et l'air"),
    search("l'or ou l'argent"),
    search('union européenne'),
    search("subvention d'équipement > 5000"),
    search('"développement durable" +région'),
    search('R&D & innovation'),
    search('table de la loi'),
    search("qu'est-ce qu'un marché public ?"),
    search('dossier n°12-345/B'),
    search('50 % du coût'),
    search('C++ ou C#'),
    search("aujourd'hui -- demain"),
    search('prix entre 10 et 20'),
    search('select committee'),
    search("Saint-Jean-d'Angély (17)"),
    search('formation <= 2 ans'),
    search('e-mail: contact@region.example'),
    search('là où le bât blesse'),
    search("l'arrêté du 3 mars; son annexe"),
  ],
  forms: [
    sent({ nom: "D'Hondt", prenom: 'Maïté', naissance: '03/04/1972', commune: "L'Haÿ-les-Roses" }),
    sent({ objet: "Demande d'aide", motif: "L'école est fermée ; merci de me rappeler au 01 02 03 04 05." }),
    sent({ iban: 'FR76 3000 6000 0112 3456 7890 189', bic: 'AGRIFRPP', montant: '1 234,56 €' }),
    sent({
      texte:
        'Bonjour,\r\n\r\nje souhaite savoir si mon dossier (réf. 2026/42) a été reçu.\r\n\r\nCordialement,\r\nA. Martin',
    }),
    sent({ adresse: "12 bis, rue de l'Abbé-Grégoire", cp: '97110', ville: 'Pointe-à-Pitre' }),
    sent({ avis: 'Favorable, sous réserve : (1) du visa ; (2) des pièces "A" et "B".' }),
    sent({ commentaire: "C'est l'avis de l'élu - et non celui de l'agent." }),
    sent({ siret: '123 456 789 00012', taux: '5,5 %', effectif: '> 250' }),
    sent({ _csrf: '5f2b9c0e7d8a4b1c9e3f', action: 'enregistrer', suivant: '/demarche/etape-3' }),
    sent({ motdepasse: "Tr0ub4dor&3'x", identifiant: 'a.martin' }, '/connexion'),
    sent({ message: 'Voir le site https://www.service-public.example/aides et me répondre' }),
    sent({ description: 'Salle A/B, 1er étage ; 20-30 personnes (max.) ; vidéo-projecteur' }),
    sent({ horaires: '8h30-12h / 14h-17h', jours: 'lundi, mardi et jeudi' }),
    sent({ remarques: 'Le total est de 3 + 4 = 7 dossiers' }),
    sent({ libelle: 'Achat de matériel (ordinateurs, écrans) & logiciels' }),
    sent({ q: "d'accord", ok: 'on', choix: '1' }),
  ],
  json: [
    api({ titre: "Rénovation de l'école", montant: 125000.5, tags: ['bâtiment', 'énergie'], actif: true }),
    api({ query: '{ dossiers(first: 10) { id titre } }', variables: {} }, '/graphql'),
    api({ commentaire: "L'usager n'a pas répondu ; relance prévue (J+15)." }),
    api({ geo: { type: 'Point', coordinates: [2.3522, 48.8566] } }),
    api([{ op: 'replace', path: '/statut', value: 'clos' }], '/api/v1/dossiers/42', 'PATCH'),
    api({ filtre: { et: [{ champ: 'annee', op: '>=', valeur: 2024 }] }, tri: ['-date'] }),
    api({ nom: "O'Connor", email: 'p.oconnor@region.example', telephone: '+33 1 02 03 04 05' }),
    api({ id: '3f2b9c0e-7d8a-4b1c-9e3f-5f2b9c0e7d8a', dates: ['2026-11-27T10:00:00+01:00'] }),
    api({ html: 'Texte en gras, puis retour à la ligne' }),
    api({}, '/api/v1/session', 'DELETE'),
    { target: '/api/v1/dossiers?filter=statut:ouvert&include=pieces', fields: { accept: json } },
    {
      target: '/api/v1/moi',
      fields: { authorization: 'Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl', accept: json },
    },
    api({ jsonrpc: '2.0', id: 1, method: 'liste', params: ['a', 'b'] }, '/rpc'),
    api({ texte: '日本語とعربيと😀 — “guillemets” et tirets' }),
    api({
      notes: Array.from({ length: 40 }, (_, index) => ({ index, libelle: `Ligne n° ${index} de l'état` })),
    }),
  ],
  uploads: [
    {
      target: '/depot',
      ...multipart(
        { name: 'objet', value: "Pièces de l'instruction" },
        {
          name: 'piece',
          filename: 'budget 2026.pdf',
          type: 'application/pdf',
          value: '%PDF-1.7 \x00\x01<script>',
        },
      ),
    },
    {
      target: '/depot',
      ...multipart({
        name: 'photo',
        filename: 'école.jpg',
        type: 'image/jpeg',
        value: '\xff\xd8\xff\xe0 JFIF',
      }),
    },
    {
      target: '/depot',
      ...multipart(
        { name: 'fichier', filename: 'liste.csv', type: 'text/csv', value: "nom;ville\r\nD'Arc;Orléans" },
        { name: 'commentaire', value: 'v2 (corrigée)' },
      ),
    },
    {
      target: '/depot',
      ...multipart({ name: 'vide', filename: '', type: 'application/octet-stream', value: '' }),
    },
    {
      target: '/api/xml',
      type: 'application/xml',
      body: '<?xml version="1.0" encoding="UTF-8"?><demande ref="12"><objet>Réfection de l\'école</objet></demande>',
    },
    {
      target: '/soap',
      type: 'text/xml; charset=utf-8',
      body: '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><lire id="42"/></soap:Body></soap:Envelope>',
      fields: { soapaction: '"urn:lire"' },
    },
  ],
  clients: [
    { target: '/api/v1/etat', fields: { 'user-agent': 'postern-sync/2.1', accept: json } },
    { target: '/flux.xml', fields: { accept: 'application/rss+xml' } },
    { target: '/api/v1/etat', fields: { 'user-agent': 'Java-http-client/21.0.4', accept: json } },
    {
      target: '/',
      fields: { 'if-none-match': '"5f2b9c"', 'if-modified-since': 'Thu, 26 Nov 2026 08:00:00 GMT' },
    },
    { target: '/video.mp4', fields: { range: 'bytes=0-1048575' } },
    {
      target: '/dossiers',
      fields: { referer: 'https://grants.apps.example.org/recherche?q=l%27%C3%A9cole' },
    },
    {
      target: '/',
      fields: { cookie: '_pk_id.1.1fff=5f2b9c.1732600000.; panier=%7B%22n%22%3A3%7D; consentement=oui' },
    },
    {
      target: '/api/v1/dossiers',
      method: 'OPTIONS',
      fields: { origin: 'https://portail.apps.example.org', 'access-control-request-method': 'POST' },
    },
  ],
};

/** What WebDAV clients ask for: their methods are none of the rule set's until an application says so (rule 911100). */
export const webdav: readonly CorpusRequest[] = [
  {
    method: 'PROPFIND',
    target: '/partage/',
    fields: { depth: '1' },
    type: 'application/xml',
    body: '<?xml version="1.0"?><propfind xmlns="DAV:"><allprop/></propfind>',
  },
  { method: 'MKCOL', target: '/partage/Ann%C3%A9e%202026/' },
  {
    method: 'MOVE',
    target: '/partage/a.odt',
    fields: { destination: 'https://grants.apps.example.org/partage/b.odt' },
  },
  { method: 'PUT', target: '/partage/a.odt', type: 'application/octet-stream', body: 'PK\x03\x04' },
];
