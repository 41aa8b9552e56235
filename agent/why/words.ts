import type { PostureCriterion } from '../../src/contract/posture.ts';
import type { Language } from '../language.ts';
import type { WhyStep } from './report.ts';

type Sentence = Readonly<Record<Language, string>>;

export const stepNames: Readonly<Record<WhyStep, Sentence>> = {
  name: { en: 'Name', fr: 'Nom' },
  'captive-portal': { en: 'Network', fr: 'Réseau' },
  tunnel: { en: 'Tunnel', fr: 'Tunnel' },
  certificate: { en: 'Certificate', fr: 'Certificat' },
  token: { en: 'Token', fr: 'Jeton' },
  posture: { en: 'Posture', fr: 'Posture' },
  policy: { en: 'Policy', fr: 'Politique' },
  connector: { en: 'Connector', fr: 'Connecteur' },
  upstream: { en: 'Upstream', fr: 'Application' },
};

/** What `why` finds, and what to do about it. `{name}` stands for a value. */
export const whyWords = {
  'all-fine': {
    en: '{app} can be reached from this laptop.',
    fr: '{app} est accessible depuis cet ordinateur.',
  },
  'nothing-found': {
    en: 'Nothing is in the way of {app}, as far as can be told without sending it something.',
    fr: "Rien ne s'oppose à {app}, pour autant qu'on puisse le dire sans rien lui envoyer.",
  },
  'name-by-proxy': {
    en: '{host} goes through the proxy {proxy}, for programs that use it or its /proxy.pac',
    fr: '{host} passe par le proxy {proxy}, pour les programmes qui utilisent celui-ci ou son /proxy.pac',
  },
  'name-by-address': {
    en: '{host} has the address {address} on this laptop, where the agent listens on {ports}',
    fr: "{host} a l'adresse {address} sur cet ordinateur, où l'agent écoute sur {ports}",
  },
  'name-not-known-yet': {
    en: 'the agent has not learned yet which applications there are',
    fr: "l'agent ne sait pas encore quelles applications existent",
  },
  'not-an-application': {
    en: '{asked} is no application of this organization, so it does not go through Postern',
    fr: "{asked} n'est pas une application de cette organisation et ne passe donc pas par Postern",
  },
  'not-an-application-help': {
    en: 'Check how it is written: `postern-agent status` lists the applications. If it should be one, ask the security team to publish it.',
    fr: "Vérifiez l'orthographe : `postern-agent status` liste les applications. Si elle devrait y être, demandez à l'équipe sécurité de la publier.",
  },
  'name-elsewhere': {
    en: '{host} should be {address} on this laptop, but its resolver answers {found}',
    fr: '{host} devrait être {address} sur cet ordinateur, mais son résolveur répond {found}',
  },
  'name-elsewhere-help': {
    en: "The laptop does not ask the agent's resolver ({resolver}) for this name. Use the proxy {proxy} meanwhile, and tell the help desk.",
    fr: "L'ordinateur n'interroge pas le résolveur de l'agent ({resolver}) pour ce nom. Utilisez le proxy {proxy} en attendant et prévenez l'assistance.",
  },
  'name-not-resolved': { en: 'nothing', fr: 'rien' },
  'no-portal': {
    en: 'no sign-in page of its own is in the way',
    fr: 'aucune page de connexion du réseau ne bloque',
  },
  'portal-here': {
    en: 'this network (hotel, train, café) wants a sign-in of its own first',
    fr: "ce réseau (hôtel, train, café) demande d'abord sa propre connexion",
  },
  'portal-here-help': {
    en: "Open {url} in a browser and sign in there. It belongs to the network: never give it your organization's password. Postern connects by itself afterwards.",
    fr: 'Ouvrez {url} dans un navigateur et connectez-vous. Cette page est celle du réseau : ne lui donnez jamais le mot de passe de votre organisation. Postern se connecte ensuite de lui-même.',
  },
  'tunnel-not-tried': {
    en: 'not tried: what follows keeps this laptop from having one',
    fr: "pas essayé : ce qui suit empêche cet ordinateur d'en avoir un",
  },
  'tunnel-up': { en: '{gateway} answers ({ms} ms)', fr: '{gateway} répond ({ms} ms)' },
  'tunnel-up-and-standby': {
    en: '{gateway} answers ({ms} ms); to take over: {standby}',
    fr: '{gateway} répond ({ms} ms) ; en relève : {standby}',
  },
  'network-down-help': {
    en: 'Neither gateway nor control plane can be reached: is this laptop on a network? Other web sites tell. The agent tries again by itself.',
    fr: "Ni la passerelle ni le plan de contrôle ne sont joignables : l'ordinateur est-il sur un réseau ? D'autres sites le diront. L'agent réessaie de lui-même.",
  },
  'gateway-down-help': {
    en: 'The control plane answers and the gateway does not: this network may block it, or it is down. Try another network, such as a phone; tell the help desk if that does not help.',
    fr: "Le plan de contrôle répond, la passerelle non : ce réseau la bloque peut-être, ou elle est en panne. Essayez un autre réseau, un téléphone par exemple ; sinon, prévenez l'assistance.",
  },
  'someone-else-help': {
    en: 'Someone else answers in its place: a hotel or train network that wants a sign-in first, or someone in between. Nothing was sent to them. Try another network.',
    fr: "Quelqu'un d'autre répond à sa place : un réseau d'hôtel ou de train qui demande d'abord une connexion, ou un intermédiaire. Rien ne lui a été envoyé. Essayez un autre réseau.",
  },
  'certificate-good': { en: 'valid until {time}', fr: "valable jusqu'au {time}" },
  'token-good': { en: 'for {user}, until {time}', fr: "pour {user}, jusqu'au {time}" },
  'posture-good': { en: 'all checks are in order', fr: 'tous les contrôles sont bons' },
  'posture-not-in-the-way': {
    en: 'nothing of it is in the way of {app}; missing or unknown: {criteria}',
    fr: "rien n'y empêche {app} ; manquant ou inconnu : {criteria}",
  },
  'posture-at-fault': {
    en: '{app} asks for what this laptop does not have: {criteria}',
    fr: "{app} exige ce que cet ordinateur n'a pas : {criteria}",
  },
  'policy-allows': { en: 'allows {user} on this laptop', fr: 'autorise {user} sur cet ordinateur' },
  'connector-good': { en: 'has a way to the application', fr: "a un chemin jusqu'à l'application" },
  'connector-has-socket': {
    en: 'has opened a socket that leads to the application; nothing was sent',
    fr: "a ouvert un socket qui mène à l'application ; rien n'a été envoyé",
  },
  'connector-not-asked': {
    en: 'not tried: this gateway tries no UDP',
    fr: "pas essayé : cette passerelle n'essaie pas l'UDP",
  },
  'upstream-good': { en: 'takes connections', fr: 'accepte les connexions' },
  'tunnel-cut': {
    en: 'takes connections, but what a program sent {seconds} s ago, or was answered, is not what the application speaks, and was cut',
    fr: "accepte les connexions, mais ce qu'un programme a envoyé ou reçu il y a {seconds} s n'est pas ce que parle l'application, et a été coupé",
  },
  'upstream-not-asked': {
    en: 'only its own program can tell with UDP',
    fr: 'en UDP, seul son propre programme peut le dire',
  },
  'datagrams-none': {
    en: 'unknown: this gateway has carried no datagram to it lately, and with UDP only an answer shows that somebody is there. Use its program, then ask again',
    fr: "inconnu : cette passerelle ne lui a transmis aucun datagramme récemment, et en UDP seule une réponse montre qu'il est là. Utilisez son programme, puis redemandez",
  },
  'datagrams-answered': {
    en: 'answered a datagram {seconds} s ago',
    fr: 'a répondu à un datagramme il y a {seconds} s',
  },
  'datagrams-silent': {
    en: 'unknown: it was sent datagrams and had not answered when that flow ended {seconds} s ago. Some applications never answer',
    fr: "inconnu : il a reçu des datagrammes et n'avait pas répondu quand ce flux s'est terminé il y a {seconds} s. Certaines applications ne répondent jamais",
  },
  'datagrams-unreachable': {
    en: 'its host said {seconds} s ago that nobody listens there',
    fr: "son hôte a dit il y a {seconds} s que personne n'y écoute",
  },
  'no-answer': { en: 'no answer in time', fr: 'pas de réponse à temps' },
  'no-answer-help': {
    en: 'The gateway is slow or the connection is bad. Try again in a moment.',
    fr: 'La passerelle est lente ou la connexion mauvaise. Réessayez dans un instant.',
  },
} as const satisfies Record<string, Sentence>;

export type WhyWord = keyof typeof whyWords;

/** What a criterion is called where people read it. */
export const criterionNames: Readonly<Record<PostureCriterion, Sentence>> = {
  diskEncrypted: { en: 'Disk encrypted', fr: 'Disque chiffré' },
  firewallEnabled: { en: 'Firewall on', fr: 'Pare-feu actif' },
  screenLockEnabled: { en: 'Screen locks by itself', fr: "L'écran se verrouille seul" },
  osUpToDate: { en: 'System up to date', fr: 'Système à jour' },
  secureBoot: { en: 'Secure start-up', fr: 'Démarrage sécurisé' },
  protectionRunning: { en: 'Protection program runs', fr: 'Protection active' },
};

/** How a laptop is brought in order, by the criterion that it fails. */
export const postureHelp: Readonly<Record<PostureCriterion, Sentence>> = {
  diskEncrypted: {
    en: 'Encrypt the disk: FileVault on macOS, BitLocker on Windows; on Linux (LUKS) that takes a new installation, which the help desk does.',
    fr: "Chiffrez le disque : FileVault sous macOS, BitLocker sous Windows ; sous Linux (LUKS) il faut réinstaller, l'assistance s'en charge.",
  },
  firewallEnabled: {
    en: 'Turn the firewall on, in the system settings under network or security.',
    fr: 'Activez le pare-feu, dans les réglages du système, sous réseau ou sécurité.',
  },
  screenLockEnabled: {
    en: 'Let the screen lock by itself after fifteen minutes at most, in the system settings.',
    fr: "Faites verrouiller l'écran automatiquement après quinze minutes au plus, dans les réglages du système.",
  },
  osUpToDate: {
    en: 'Install the updates that the system offers, and restart if it asks for that.',
    fr: "Installez les mises à jour proposées par le système, et redémarrez s'il le demande.",
  },
  secureBoot: {
    en: 'Secure boot is turned on in the firmware settings at start-up. The help desk does that with you.',
    fr: "Le démarrage sécurisé s'active dans les réglages du micrologiciel, au démarrage. L'assistance le fait avec vous.",
  },
  protectionRunning: {
    en: 'Start the protection program of your organization, or restart the laptop; if it stays off, tell the help desk.',
    fr: "Lancez le programme de protection de votre organisation, ou redémarrez ; s'il reste arrêté, prévenez l'assistance.",
  },
};

export const fill = (text: string, values: Readonly<Record<string, string | number>>): string =>
  text.replaceAll(/\{([a-zA-Z]+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole,
  );

export const whyText = (
  language: Language,
  word: WhyWord,
  values: Readonly<Record<string, string | number>> = {},
): string => fill(whyWords[word][language], values);
