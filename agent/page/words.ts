import type { Language } from '../language.ts';

type Sentence = Readonly<Record<Language, string>>;

/** The page speaks to people who never think of gateways. */
export const pageWords = {
  title: { en: 'Your laptop and its applications', fr: 'Votre ordinateur et ses applications' },
  applications: { en: 'Applications', fr: 'Applications' },
  'no-applications': {
    en: 'No application is known yet. They appear once the laptop is connected.',
    fr: "Aucune application connue pour l'instant. Elles apparaissent une fois l'ordinateur connecté.",
  },
  through: { en: 'Through {gateway}', fr: 'Par {gateway}' },
  standby: { en: 'To take over if that is lost: {standby}', fr: 'En relève : {standby}' },
  check: { en: 'Does not open?', fr: "Ne s'ouvre pas ?" },
  laptop: { en: 'This laptop', fr: 'Cet ordinateur' },
  'posture-unknown': {
    en: 'The checks could not be made. Try again; if it stays so, tell the help desk.',
    fr: "Les contrôles n'ont pu être faits. Réessayez ; sinon, prévenez l'assistance.",
  },
  good: { en: 'In order', fr: 'En ordre' },
  bad: { en: 'Not in order', fr: 'Pas en ordre' },
  unsure: { en: 'Not known', fr: 'Inconnu' },
  refusals: { en: 'Last refused', fr: 'Derniers refus' },
  'no-refusals': { en: 'Nothing has been refused.', fr: "Rien n'a été refusé." },
  flow: { en: 'Number for the help desk', fr: "Numéro pour l'assistance" },
  details: { en: 'Details for the help desk', fr: "Détails pour l'assistance" },
  reconnect: { en: 'Connect again', fr: 'Se reconnecter' },
  measure: { en: 'Check again', fr: 'Vérifier de nouveau' },
  'sign-in': { en: 'Sign in', fr: 'Se connecter' },
  'sign-in-goes-on': {
    en: 'The sign-in page of your organization opens now. Come back here afterwards.',
    fr: "La page de connexion de votre organisation s'ouvre maintenant. Revenez ici ensuite.",
  },
  'sign-in-code': {
    en: 'Open the sign-in page and enter this code. Never enter one that somebody else gave you.',
    fr: "Ouvrez la page de connexion et saisissez ce code. N'en saisissez jamais un que quelqu'un d'autre vous a donné.",
  },
  'sign-in-open': { en: 'Open the sign-in page', fr: 'Ouvrir la page de connexion' },
  'sign-in-not-begun': {
    en: 'Signing in is not possible now',
    fr: "Connexion impossible pour l'instant",
  },
  'sign-out': { en: 'Sign out', fr: 'Se déconnecter' },
  'open-portal': { en: "Open the network's page", fr: 'Ouvrir la page du réseau' },
  back: { en: 'Back', fr: 'Retour' },
  'why-bad': { en: 'What is in the way of {app}', fr: 'Ce qui empêche {app}' },
} as const satisfies Record<string, Sentence>;

/** In one line how it is, and in another what follows from it. */
export interface Headline {
  readonly mood: 'good' | 'wait' | 'bad';
  readonly text: Sentence;
  readonly advice: Sentence;
}

const trying: Sentence = {
  en: 'Are you on a network? The laptop tries again by itself; nothing needs to be done.',
  fr: "Êtes-vous sur un réseau ? L'ordinateur réessaie de lui-même ; il n'y a rien à faire.",
};
const helpDesk: Sentence = { en: 'Please call the help desk.', fr: "Appelez l'assistance." };

export const headlines: Readonly<Partial<Record<string, Headline>>> = {
  connected: {
    mood: 'good',
    text: { en: 'Connected', fr: 'Connecté' },
    advice: { en: 'Your applications can be used.', fr: 'Vos applications sont utilisables.' },
  },
  connecting: {
    mood: 'wait',
    text: { en: 'Connecting …', fr: 'Connexion en cours …' },
    advice: {
      en: 'This takes a few seconds. Then check again.',
      fr: 'Cela prend quelques secondes. Vérifiez ensuite de nouveau.',
    },
  },
  'captive-portal': {
    mood: 'wait',
    text: {
      en: 'This network wants you to sign in first',
      fr: "Ce réseau vous demande d'abord de vous connecter",
    },
    advice: {
      en: "Open the network's page and follow it. It is not your organization's: never give it your work password. The rest happens by itself.",
      fr: "Ouvrez la page du réseau et suivez-la. Elle n'est pas celle de votre organisation : n'y saisissez jamais votre mot de passe professionnel. Le reste se fait tout seul.",
    },
  },
  'control-unreachable': {
    mood: 'wait',
    text: { en: 'No connection', fr: 'Pas de connexion' },
    advice: trying,
  },
  'control-unable': {
    mood: 'wait',
    text: { en: 'The service has a problem', fr: 'Le service a un problème' },
    advice: {
      en: 'It is not your laptop. Please try again in a few minutes.',
      fr: "Ce n'est pas votre ordinateur. Réessayez dans quelques minutes.",
    },
  },
  'control-foreign': {
    mood: 'bad',
    text: { en: 'Someone else answers on this network', fr: "Quelqu'un d'autre répond sur ce réseau" },
    advice: {
      en: 'Nothing was sent to them. In a hotel or a train, sign in to its network first; otherwise use another network.',
      fr: "Rien ne lui a été envoyé. À l'hôtel ou dans un train, connectez-vous d'abord à leur réseau ; sinon, changez de réseau.",
    },
  },
  'gateway-unreachable': {
    mood: 'wait',
    text: { en: 'No connection', fr: 'Pas de connexion' },
    advice: trying,
  },
  'sign-in-required': {
    mood: 'wait',
    text: { en: 'Please sign in', fr: 'Veuillez vous connecter' },
    advice: {
      en: 'Your sign-in is over. The button leads you to the page of your organization.',
      fr: 'Votre session est terminée. Le bouton vous mène à la page de votre organisation.',
    },
  },
  refused: {
    mood: 'bad',
    text: { en: 'This laptop is not let in', fr: "Cet ordinateur n'est pas admis" },
    advice: helpDesk,
  },
  revoked: {
    mood: 'bad',
    text: { en: 'This laptop has been shut out', fr: 'Cet ordinateur a été exclu' },
    advice: helpDesk,
  },
  lost: {
    mood: 'bad',
    text: { en: 'This laptop was reported lost', fr: 'Cet ordinateur a été déclaré perdu' },
    advice: { en: 'Please bring it to the security team.', fr: "Remettez-le à l'équipe sécurité." },
  },
  'key-unusable': {
    mood: 'bad',
    text: { en: 'The key of this laptop cannot be used', fr: 'La clé de cet ordinateur est inutilisable' },
    advice: {
      en: 'Restart the laptop. If that does not help, please call the help desk.',
      fr: "Redémarrez l'ordinateur. Si cela ne suffit pas, appelez l'assistance.",
    },
  },
  'certificate-expired': {
    mood: 'bad',
    text: { en: 'This laptop was away too long', fr: 'Cet ordinateur a été absent trop longtemps' },
    advice: {
      en: 'Is its clock right? If so, please call the help desk.',
      fr: "Son horloge est-elle juste ? Si oui, appelez l'assistance.",
    },
  },
};

export const otherHeadline: Headline = {
  mood: 'bad',
  text: { en: 'Not connected', fr: 'Non connecté' },
  advice: helpDesk,
};
