import type { Language } from './language.ts';

/** What people read, in both languages. `{name}` stands for a value. */
const catalog = {
  'not-enrolled': {
    en: 'This laptop is not enrolled ({directory}). Run `postern-agent enroll URL TOKEN`.',
    fr: "Cet ordinateur n'est pas enrôlé ({directory}). Lancez `postern-agent enroll URL JETON`.",
  },
  'already-enrolled': {
    en: 'This laptop is enrolled already ({directory}). Use --force to enroll it anew; its old key is lost then.',
    fr: 'Cet ordinateur est déjà enrôlé ({directory}). Utilisez --force pour recommencer ; son ancienne clé sera perdue.',
  },
  'state-unreadable': {
    en: 'The state directory {directory} cannot be read.',
    fr: "Le répertoire d'état {directory} est illisible.",
  },
  'state-unwritable': {
    en: 'The state directory {directory} cannot be written; nothing was changed ({reason}). Where the disk is full, make room and try again.',
    fr: "Impossible d'écrire dans le répertoire d'état {directory} ; rien n'a été changé ({reason}). Si le disque est plein, libérez de la place et recommencez.",
  },
  'state-not-directory': {
    en: '{directory} is not a directory, or a link to one.',
    fr: "{directory} n'est pas un répertoire, ou n'est qu'un lien.",
  },
  'state-not-ours': {
    en: 'The state directory {directory} belongs to another user.',
    fr: "Le répertoire d'état {directory} appartient à un autre utilisateur.",
  },
  'state-writable-by-others': {
    en: 'Others may write to the state directory {directory}. Run `chmod 700` on it, after a look at what is in it.',
    fr: "D'autres peuvent écrire dans le répertoire d'état {directory}. Vérifiez son contenu, puis lancez `chmod 700`.",
  },
  'file-unreadable': {
    en: '{file} cannot be read ({reason}). It has to be a plain file that belongs to the user of the agent, as its directory does.',
    fr: "{file} est illisible ({reason}). Ce doit être un fichier ordinaire appartenant à l'utilisateur de l'agent, comme son répertoire.",
  },
  'file-exposed': {
    en: '{file} is open to other users. Run `chmod 600` on it; a key that others could read should be replaced.',
    fr: "{file} est accessible à d'autres. Lancez `chmod 600` ; une clé que d'autres ont pu lire doit être remplacée.",
  },
  'file-not-ours': {
    en: '{file} belongs to another user. Look how that came about, then give it to the user of the agent with `chown`.',
    fr: "{file} appartient à un autre utilisateur. Cherchez pourquoi, puis rendez-le à l'utilisateur de l'agent avec `chown`.",
  },
  'settings-invalid': {
    en: '{file} is not valid: {problems}. Mend that, or enroll this laptop anew with `postern-agent enroll --force URL TOKEN`.',
    fr: "{file} n'est pas valable : {problems}. Corrigez-le, ou enrôlez de nouveau cet ordinateur avec `postern-agent enroll --force URL JETON`.",
  },
  'fleet-settings-invalid': {
    en: '{file} is not valid: {problems}. Nothing was started.',
    fr: "{file} n'est pas valable : {problems}. Rien n'a été démarré.",
  },
  'state-file-damaged': {
    en: '{file} is damaged. Enroll this laptop anew with `postern-agent enroll --force URL TOKEN`; the security team makes the token.',
    fr: "{file} est abîmé. Enrôlez de nouveau cet ordinateur avec `postern-agent enroll --force URL JETON` ; l'équipe sécurité crée le jeton.",
  },
  'enrollment-token-missing': {
    en: 'This laptop is not enrolled, and there is no enrollment token in {file}. Lay one there, owned by the user of the agent and readable by nobody else.',
    fr: "Cet ordinateur n'est pas enrôlé, et il n'y a pas de jeton d'enrôlement dans {file}. Placez-en un, appartenant à l'utilisateur de l'agent et lisible par lui seul.",
  },
  'enrollment-token-stays': {
    en: 'The enrollment token in {file} is used but cannot be deleted. Delete it, and lay the next one where the user of the agent may.',
    fr: "Le jeton d'enrôlement de {file} est utilisé mais ne peut être effacé. Effacez-le, et placez le prochain là où l'utilisateur de l'agent le peut.",
  },
  'credentials-invalid': {
    en: 'Key and certificate in {directory} do not fit together. Enroll this laptop anew with `postern-agent enroll --force URL TOKEN`.',
    fr: 'La clé et le certificat de {directory} ne vont pas ensemble. Enrôlez de nouveau cet ordinateur avec `postern-agent enroll --force URL JETON`.',
  },
  'enrollment-token-malformed': {
    en: 'That is not an enrollment token: it begins with `pet1.` and has four parts. Copy it whole.',
    fr: "Ce n'est pas un jeton d'enrôlement : il commence par `pet1.` et compte quatre parties. Copiez-le en entier.",
  },
  'control-url-invalid': {
    en: '{url} is not the address of a control plane, such as https://control.example.org:8444.',
    fr: "{url} n'est pas l'adresse d'un plan de contrôle, telle que https://control.example.org:8444.",
  },
  'control-unreachable': {
    en: 'The control plane {url} cannot be reached: {reason}',
    fr: 'Le plan de contrôle {url} est injoignable : {reason}',
  },
  'control-unable': {
    en: 'The control plane {url} answers that it cannot just now: {title} ({code}). Nothing is wrong with this laptop; try again later.',
    fr: "Le plan de contrôle {url} répond qu'il ne le peut pas pour le moment : {title} ({code}). Cet ordinateur n'est pas en cause ; réessayez plus tard.",
  },
  'control-foreign': {
    en: 'What answers at {url} is not the control plane that this laptop is enrolled with: {reason}. In a hotel or a train, sign in to its network first. Otherwise the address leads to something else, or someone is in between.',
    fr: "Ce qui répond à {url} n'est pas le plan de contrôle auprès duquel cet ordinateur est enrôlé : {reason}. À l'hôtel ou dans un train, connectez-vous d'abord à leur réseau. Sinon, l'adresse mène ailleurs, ou quelqu'un s'interpose.",
  },
  'control-not-understood': {
    en: 'What answers at {url} does not speak as a control plane does: {reason}. The address is of something else, or what stands in front of the control plane is in trouble; tell the security team.',
    fr: "Ce qui répond à {url} ne parle pas comme un plan de contrôle : {reason}. L'adresse est celle d'autre chose, ou ce qui précède le plan de contrôle est en panne ; prévenez l'équipe sécurité.",
  },
  'control-untrusted': {
    en: 'What answers at {url} could not prove to be the control plane: {reason}. The token was not sent.',
    fr: "Ce qui répond à {url} n'a pas prouvé être le plan de contrôle : {reason}. Le jeton n'a pas été envoyé.",
  },
  'control-refused': {
    en: 'The control plane refused: {title} ({code})',
    fr: 'Le plan de contrôle a refusé : {title} ({code})',
  },
  'authority-differs': {
    en: '{url} belongs to another authority than the token. Expected {expected}, found {seen}. The token was not sent. Someone may be in between, or the token is for another organization.',
    fr: "{url} relève d'une autre autorité que le jeton. Attendu {expected}, trouvé {seen}. Le jeton n'a pas été envoyé. Quelqu'un s'interpose peut-être, ou le jeton vient d'une autre organisation.",
  },
  'certificate-unusable': {
    en: 'The control plane issued a certificate that is of no use: {problem}. Nothing was kept.',
    fr: "Le plan de contrôle a émis un certificat inutilisable : {problem}. Rien n'a été conservé.",
  },
  'tpm-missing': {
    en: 'There is no TPM here that the agent may use ({device}). Where the machine has one, switch it on in its firmware and let the user of the agent use it (group `tss`). `enroll --key file` keeps the key in a file instead.',
    fr: "Aucun TPM n'est utilisable ici par l'agent ({device}). Si la machine en a un, activez-le dans son micrologiciel et donnez-y accès à l'utilisateur de l'agent (groupe `tss`). `enroll --key file` garde la clé dans un fichier.",
  },
  'tpm-provider-missing': {
    en: 'The TPM is used by way of the packages openssl and tpm2-openssl, which are not both installed. Install them; `enroll --key file` keeps the key in a file instead.',
    fr: "Le TPM s'utilise par les paquets openssl et tpm2-openssl, qui ne sont pas tous deux installés. Installez-les ; `enroll --key file` garde la clé dans un fichier.",
  },
  'tpm-provider-old': {
    en: 'The package tpm2-openssl is too old to sign with a key in the TPM: version 1.2 does, of Ubuntu 24.04 and Debian 13 on. `enroll --key file` keeps the key in a file instead.',
    fr: 'Le paquet tpm2-openssl est trop ancien pour signer avec une clé du TPM : il faut la version 1.2, celle d’Ubuntu 24.04 et de Debian 13. `enroll --key file` garde la clé dans un fichier.',
  },
  'tpm-failed': {
    en: 'The TPM did not do as asked: {reason}. Try again; `enroll --key file` keeps the key in a file instead.',
    fr: "Le TPM n'a pas fait ce qui lui était demandé : {reason}. Réessayez ; `enroll --key file` garde la clé dans un fichier.",
  },
  'tpm-unreachable': {
    en: 'The TPM that holds the key of this laptop does not answer: {reason}. Is it switched on, and may the user of the agent use it (group `tss`)?',
    fr: "Le TPM qui détient la clé de cet ordinateur ne répond pas : {reason}. Est-il activé, et l'utilisateur de l'agent y a-t-il accès (groupe `tss`) ?",
  },
  'tpm-key-foreign': {
    en: 'The key of this laptop belongs to another TPM: the disk was copied or moved to another machine, or the TPM was cleared ({reason}). Enroll anew with `postern-agent enroll --force URL TOKEN`; the security team makes the token.',
    fr: "La clé de cet ordinateur relève d'un autre TPM : le disque a été copié ou déplacé, ou le TPM a été effacé ({reason}). Enrôlez-le de nouveau avec `postern-agent enroll --force URL JETON` ; l'équipe sécurité crée le jeton.",
  },
  'key-in-tpm': {
    en: 'Its key is in the TPM of this machine and never leaves it.',
    fr: 'Sa clé est dans le TPM de cette machine et ne le quitte pas.',
  },
  enrolled: {
    en: 'Enrolled as device {device} of {user}. Next: postern-agent up',
    fr: 'Enrôlé comme appareil {device} de {user}. Ensuite : postern-agent up',
  },
  'bundle-written': {
    en: 'Written: {path}, which only you can read. In it:',
    fr: 'Écrit : {path}, que vous seul pouvez lire. Il contient :',
  },
  'bundle-holds': {
    en: 'It names you, this laptop, its addresses and your applications. It holds no key, token, cookie or password. Look into it before you send it.',
    fr: "Il nomme vous-même, cet ordinateur, ses adresses et vos applications. Il ne contient ni clé, ni jeton, ni cookie, ni mot de passe. Regardez-le avant de l'envoyer.",
  },
  'bundle-not-written': {
    en: '{path} cannot be written: {reason}. Choose another place with --output.',
    fr: "{path} n'a pu être écrit : {reason}. Choisissez un autre endroit avec --output.",
  },
  'agent-runs': {
    en: 'An agent runs on this state directory already (process {pid}).',
    fr: "Un agent utilise déjà ce répertoire d'état (processus {pid}).",
  },
  'agent-not-running': {
    en: 'The agent is not running. Start it with `postern-agent up`.',
    fr: "L'agent n'est pas lancé. Démarrez-le avec `postern-agent up`.",
  },
  'agent-not-answering': {
    en: 'The agent (process {pid}) does not answer: {reason}',
    fr: "L'agent (processus {pid}) ne répond pas : {reason}",
  },
  'agent-not-stopping': {
    en: 'The agent (process {pid}) does not stop. Nothing was deleted.',
    fr: "L'agent (processus {pid}) ne s'arrête pas. Rien n'a été effacé.",
  },
  'port-taken': {
    en: 'Port {port} on 127.0.0.1 is taken: {reason}. Choose another with --proxy-port, or 0 for a free one.',
    fr: 'Le port {port} de 127.0.0.1 est occupé : {reason}. Choisissez-en un autre avec --proxy-port, ou 0 pour un port libre.',
  },
  'posture-file-invalid': {
    en: '{file} does not state a posture: {problem}',
    fr: '{file} ne décrit pas une posture : {problem}',
  },
  'unsafe-posture': {
    en: 'UNSAFE: the posture is taken from {file} instead of being measured (--unsafe-posture).',
    fr: "DANGEREUX : la posture est lue dans {file} au lieu d'être mesurée (--unsafe-posture).",
  },
  'sign-in-open': {
    en: 'Sign in with the browser that has been opened, or open {url}',
    fr: "Connectez-vous dans le navigateur qui s'est ouvert, ou ouvrez {url}",
  },
  'sign-in-address': {
    en: 'Sign in: open {url} in a browser on this laptop.',
    fr: 'Connectez-vous : ouvrez {url} dans un navigateur de cet ordinateur.',
  },
  'sign-in-code': {
    en: 'Sign in: open {url} on any machine and enter the code {code}. Enter it only if you asked for it yourself.',
    fr: "Connectez-vous : ouvrez {url} sur n'importe quelle machine et saisissez le code {code}. Ne le saisissez que si vous l'avez demandé.",
  },
  'sign-in-not-done': {
    en: 'Nobody signed in: {reason}. Try again with `postern-agent login`.',
    fr: "Personne ne s'est connecté : {reason}. Réessayez avec `postern-agent login`.",
  },
  'sign-in-timed-out': {
    en: 'Nobody signed in within ten minutes. Try again with `postern-agent login`.',
    fr: "Personne ne s'est connecté en dix minutes. Réessayez avec `postern-agent login`.",
  },
  'signed-in': {
    en: 'Signed in as {user}, until {time}.',
    fr: "Connecté comme {user}, jusqu'à {time}.",
  },
  'signed-in-page': {
    en: 'You are signed in. This window can be closed.',
    fr: 'Vous êtes connecté. Cette fenêtre peut être fermée.',
  },
  'sign-in-failed-page': {
    en: 'You are not signed in. {reason}',
    fr: "Vous n'êtes pas connecté. {reason}",
  },
  'signed-out': { en: 'Signed out.', fr: 'Déconnecté.' },
  'signed-out-here-only': {
    en: 'Signed out on this laptop, but the control plane {url} could not be told: {reason}. What was open may go on for ten minutes.',
    fr: "Déconnecté sur cet ordinateur, mais le plan de contrôle {url} n'a pas pu être prévenu : {reason}. Ce qui était ouvert peut durer encore dix minutes.",
  },
  'nobody-signed-in': { en: 'Nobody was signed in.', fr: "Personne n'était connecté." },
  left: {
    en: 'Key, certificate and tokens of this laptop are deleted. Ask the security team to remove device {device} too: they still count it.',
    fr: "Clé, certificat et jetons de cet ordinateur sont effacés. Demandez à l'équipe sécurité de retirer aussi l'appareil {device} : il compte encore.",
  },
  'left-and-told': {
    en: 'Key, certificate and tokens of this laptop are deleted, and device {device} is revoked: nobody counts it any more.',
    fr: "Clé, certificat et jetons de cet ordinateur sont effacés, et l'appareil {device} est révoqué : il ne compte plus.",
  },
  'firewall-stays': {
    en: 'The firewall of the organization stays until root takes it away: `sudo postern-agent firewall remove`.',
    fr: "Le pare-feu de l'organisation reste jusqu'à ce que root le retire : `sudo postern-agent firewall remove`.",
  },
  'firewall-removed': {
    en: 'The firewall of the organization was taken away.',
    fr: "Le pare-feu de l'organisation a été retiré.",
  },
  'names-not-led': {
    en: 'Names of applications could not be put in order: {reason}',
    fr: "Les noms des applications n'ont pas pu être mis en ordre : {reason}",
  },
  'state-connecting': { en: 'connecting', fr: 'connexion en cours' },
  'state-connected': { en: 'connected', fr: 'connecté' },
  'state-control-unreachable': {
    en: 'the control plane does not answer',
    fr: 'le plan de contrôle ne répond pas',
  },
  'state-control-unable': {
    en: 'the control plane answers that it cannot just now',
    fr: "le plan de contrôle répond qu'il ne le peut pas pour le moment",
  },
  'state-control-foreign': {
    en: 'what answers is not the control plane; in a hotel or a train, sign in to its network first',
    fr: "ce qui répond n'est pas le plan de contrôle ; à l'hôtel ou dans un train, connectez-vous d'abord à leur réseau",
  },
  'state-gateway-unreachable': { en: 'the gateway does not answer', fr: 'la passerelle ne répond pas' },
  'state-refused': { en: 'refused', fr: 'refusé' },
  'state-sign-in-required': {
    en: 'sign-in needed; `postern-agent login` asks for it',
    fr: 'connexion nécessaire ; `postern-agent login` la demande',
  },
  'state-revoked': {
    en: 'this laptop has been revoked; see the security team',
    fr: "cet ordinateur a été révoqué ; voyez l'équipe sécurité",
  },
  'state-lost': {
    en: 'this laptop was reported lost; bring it to the security team',
    fr: "cet ordinateur a été déclaré perdu ; remettez-le à l'équipe sécurité",
  },
  'state-certificate-expired': {
    en: 'the certificate of this laptop has expired and could not be renewed; check its clock, or enroll it again',
    fr: "le certificat de cet ordinateur a expiré et n'a pu être renouvelé ; vérifiez l'horloge, ou enrôlez-le de nouveau",
  },
  'state-key-unusable': {
    en: 'the TPM that holds the key of this laptop does not answer; restart the laptop, or enroll it again',
    fr: 'le TPM qui détient la clé de cet ordinateur ne répond pas ; redémarrez-le, ou enrôlez-le de nouveau',
  },
  'state-captive-portal': {
    en: "this network wants a sign-in of its own first; open the address, and never give it your organization's password",
    fr: "ce réseau demande d'abord sa propre connexion ; ouvrez l'adresse, et ne lui donnez jamais le mot de passe de votre organisation",
  },
  'state-stopped': { en: 'stopped', fr: 'arrêté' },
  'label-state': { en: 'State', fr: 'État' },
  'label-device': { en: 'Device', fr: 'Appareil' },
  'label-user': { en: 'Enrolled by', fr: 'Enrôlé par' },
  'label-signed-in': { en: 'Signed in (until)', fr: "Connecté (jusqu'à)" },
  'label-control': { en: 'Control plane', fr: 'Plan de contrôle' },
  'label-gateway': { en: 'Gateway', fr: 'Passerelle' },
  'gateway-in-zone': { en: '{place}, zone {zone}', fr: '{place}, zone {zone}' },
  'standby-missing': {
    en: 'no second gateway is ready at the moment',
    fr: "aucune autre passerelle n'est prête pour l'instant",
  },
  'label-standby': { en: 'Standby', fr: 'Relève' },
  'label-since': { en: 'Session since', fr: 'Session depuis' },
  'label-token': { en: 'Token until', fr: "Jeton jusqu'à" },
  'label-certificate': { en: 'Certificate until', fr: "Certificat jusqu'à" },
  'label-key': { en: 'Key', fr: 'Clé' },
  'key-tpm': { en: 'in the TPM', fr: 'dans le TPM' },
  'key-file': { en: 'in a file', fr: 'dans un fichier' },
  'label-proxy': { en: 'Local proxy', fr: 'Proxy local' },
  'label-posture': { en: 'Posture', fr: 'Posture' },
  'label-firewall': { en: 'Firewall', fr: 'Pare-feu' },
  'firewall-applied': { en: 'in force', fr: 'en vigueur' },
  'firewall-none': { en: 'none', fr: 'aucun' },
  'firewall-rolled-back': { en: 'taken back', fr: 'retiré' },
  'firewall-failed': { en: 'failed', fr: 'en échec' },
  'label-apps': { en: 'Applications', fr: 'Applications' },
  'label-resolver': { en: 'Resolver', fr: 'Résolveur' },
  'label-intercepted': { en: 'At addresses here', fr: 'Aux adresses locales' },
  'label-not-opened': { en: 'Not opened', fr: 'Non ouverts' },
  'listen-taken': {
    en: '{place} ({host}) is taken by another program, perhaps for all addresses: stop it or let it listen elsewhere.',
    fr: '{place} ({host}) est occupé par un autre programme, peut-être pour toutes les adresses : arrêtez-le ou faites-le écouter ailleurs.',
  },
  'listen-not-permitted': {
    en: '{place} ({host}) is below 1024, and the agent may not listen there: run it as a service with CAP_NET_BIND_SERVICE.',
    fr: "{place} ({host}) est inférieur à 1024 et l'agent ne peut y écouter : lancez-le en service avec CAP_NET_BIND_SERVICE.",
  },
  'listen-no-address': {
    en: '{place} ({host}) is at an address that this machine does not have yet; the helper for names adds it.',
    fr: "{place} ({host}) est à une adresse que cette machine n'a pas encore ; l'assistant des noms l'ajoute.",
  },
  'listen-above-own': {
    en: '{host} stands above the name of the gateway or the control plane, so it is not led here; use the proxy.',
    fr: '{host} est au-dessus du nom de la passerelle ou du plan de contrôle et n’est donc pas dirigé ici ; utilisez le proxy.',
  },
  'listen-failed': {
    en: '{place} ({host}) could not be opened; the log says why.',
    fr: "{place} ({host}) n'a pu être ouvert ; le journal dit pourquoi.",
  },
  'label-last-refusal': { en: 'Last refusal', fr: 'Dernier refus' },
} as const satisfies Record<string, Readonly<Record<Language, string>>>;

export type MessageKey = keyof typeof catalog;
export type MessageValues = Readonly<Record<string, string | number>>;
export const messageKeys = Object.keys(catalog) as MessageKey[];

/** A sentence of the catalog with its values in place. A value that is not given stays visible as `{name}`. */
export function message(language: Language, key: MessageKey, values: MessageValues = {}): string {
  return catalog[key][language].replaceAll(/\{([a-zA-Z]+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole,
  );
}

/** The sentence of a state; a word that is not in the catalog stands for itself. */
export function stateMessage(language: Language, state: string): string {
  const key = `state-${state}`;
  return Object.hasOwn(catalog, key) ? message(language, key as MessageKey) : state;
}
