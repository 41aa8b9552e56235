/**
 * Every refusal that a peer can see: its stable code, its HTTP status, and a sentence that a person can act on.
 * Clients, records and the SOC rely on the codes; renaming one is a breaking change. The page docs/refusals.md
 * is generated from this table and a test keeps the two equal.
 */
export interface RefusalText {
  readonly status: number;
  readonly title: { readonly en: string; readonly fr: string };
  readonly help: { readonly en: string; readonly fr: string };
}

const text = (
  status: number,
  en: readonly [title: string, help: string],
  fr: readonly [title: string, help: string],
): RefusalText => ({ status, title: { en: en[0], fr: fr[0] }, help: { en: en[1], fr: fr[1] } });

const clientHelp = {
  en: 'The request could be read in two ways, so it was not forwarded. Update the program that sent it.',
  fr: "La requête pouvait se lire de deux façons, elle n'a pas été transmise. Mettez à jour le programme qui l'a envoyée.",
} as const;
const enrollAgain = {
  en: 'Enroll this laptop again with a new enrollment token from the security team.',
  fr: "Enrôlez de nouveau cet ordinateur avec un nouveau jeton d'enrôlement de l'équipe sécurité.",
} as const;
const renewExpired = {
  en: 'Start the agent with `postern-agent up`; it renews the certificate by itself, or says why it cannot.',
  fr: "Lancez l'agent avec `postern-agent up` ; il renouvelle le certificat, ou dit pourquoi il ne le peut pas.",
} as const;
const restartAgent = {
  en: 'Restart the agent with `postern-agent up`; it fetches a fresh token.',
  fr: "Relancez l'agent avec `postern-agent up` ; il demande un nouveau jeton.",
} as const;
const tellSecurity = {
  en: 'Give the flow id to the security team.',
  fr: "Donnez l'identifiant de flux à l'équipe sécurité.",
} as const;
const tellOwner = {
  en: 'The gateway works; the application behind it does not. Give the flow id to those who run it.',
  fr: "La passerelle fonctionne ; l'application derrière elle, non. Donnez l'identifiant de flux à ses exploitants.",
} as const;
const signIn = {
  en: 'Sign in with `postern-agent login --fresh`, unless the agent has opened the browser by itself; then repeat what you did.',
  fr: "Connectez-vous avec `postern-agent login --fresh`, si l'agent n'a pas ouvert le navigateur de lui-même ; puis recommencez.",
} as const;
const signInAgain = {
  en: 'Begin again with `postern-agent login`.',
  fr: 'Recommencez avec `postern-agent login`.',
} as const;

export const refusals = {
  // Handshake: there is no HTTP answer; the TLS alert and the flow record are all there is.
  'certificate-missing': text(
    401,
    ['No device certificate', enrollAgain.en],
    ["Pas de certificat d'appareil", enrollAgain.fr],
  ),
  'certificate-untrusted': text(
    401,
    ['Device certificate of another authority', enrollAgain.en],
    ["Certificat d'appareil d'une autre autorité", enrollAgain.fr],
  ),
  'certificate-expired': text(
    401,
    ['Device certificate expired', renewExpired.en],
    ["Certificat d'appareil expiré", renewExpired.fr],
  ),
  'certificate-not-yet-valid': text(
    401,
    ['Device certificate not yet valid', "Check this laptop's clock."],
    ["Certificat d'appareil pas encore valide", "Vérifiez l'horloge de cet ordinateur."],
  ),
  'certificate-profile': text(
    401,
    ['Not a device certificate', enrollAgain.en],
    ["Pas un certificat d'appareil", enrollAgain.fr],
  ),
  'certificate-unknown': text(
    401,
    ['Device certificate not on the books', enrollAgain.en],
    ["Certificat d'appareil inconnu du registre", enrollAgain.fr],
  ),
  'device-revoked': text(
    403,
    [
      'Device revoked',
      'The security team took the access of this laptop away. Ask them why, and what comes next.',
    ],
    [
      'Appareil révoqué',
      "L'équipe sécurité a retiré l'accès de cet ordinateur. Demandez-lui pourquoi, et ce qui suit.",
    ],
  ),
  'device-lost': text(
    403,
    ['Device reported lost', 'This laptop was reported lost or stolen. Bring it to the security team.'],
    [
      'Appareil déclaré perdu',
      "Cet ordinateur a été déclaré perdu ou volé. Remettez-le à l'équipe sécurité.",
    ],
  ),
  'device-unknown': text(403, ['Device unknown', enrollAgain.en], ['Appareil inconnu', enrollAgain.fr]),
  'handshake-failed': text(
    400,
    ['TLS handshake failed', 'Use a client with TLS 1.3 and a device certificate.'],
    ['Échec de la négociation TLS', "Utilisez un client TLS 1.3 avec un certificat d'appareil."],
  ),
  'server-name-unknown': text(
    421,
    ['Server name of no application', 'Check the name in the address.'],
    ["Nom de serveur d'aucune application", "Vérifiez le nom dans l'adresse."],
  ),
  'too-many-connections': text(
    503,
    ['Too many connections from this address', 'Wait a moment; the agent tries again by itself.'],
    ['Trop de connexions depuis cette adresse', "Patientez un instant ; l'agent réessaie de lui-même."],
  ),

  // The agent's own, on the laptop: no gateway was asked.
  'agent-not-connected': text(
    503,
    ['The agent has no way to the gateway', 'Run `postern-agent status`; it says what is missing.'],
    ["L'agent n'a pas d'accès à la passerelle", 'Lancez `postern-agent status` ; il dit ce qui manque.'],
  ),
  'request-interrupted': text(
    502,
    [
      'The way to the gateway broke while the request was under way',
      'It may have been carried out: look before you send it again.',
    ],
    [
      "L'accès à la passerelle s'est rompu pendant la requête",
      'Elle a peut-être été exécutée : vérifiez avant de la renvoyer.',
    ],
  ),

  // Token.
  'token-missing': text(
    401,
    ['No session token', restartAgent.en],
    ['Pas de jeton de session', restartAgent.fr],
  ),
  'token-malformed': text(
    401,
    ['Session token malformed', restartAgent.en],
    ['Jeton de session mal formé', restartAgent.fr],
  ),
  'token-signature': text(
    401,
    ['Session token not signed by this control plane', restartAgent.en],
    ['Jeton de session non signé par ce plan de contrôle', restartAgent.fr],
  ),
  'token-audience': text(
    401,
    ['Session token for something else', restartAgent.en],
    ['Jeton de session pour un autre usage', restartAgent.fr],
  ),
  'token-expired': text(
    401,
    ['Session token expired', restartAgent.en],
    ['Jeton de session expiré', restartAgent.fr],
  ),
  'token-not-yet-valid': text(
    401,
    ['Session token not yet valid', "Check this laptop's clock."],
    ['Jeton de session pas encore valide', "Vérifiez l'horloge de cet ordinateur."],
  ),
  'token-bound-elsewhere': text(
    401,
    ['Session token of another laptop', restartAgent.en],
    ["Jeton de session d'un autre ordinateur", restartAgent.fr],
  ),

  // Sign-in.
  'sign-in-required': text(401, ['Sign-in needed', signIn.en], ['Connectez-vous', signIn.fr]),
  'sign-in-ended': text(401, ['Signed out', signIn.en], ['Session de connexion terminée', signIn.fr]),
  'sign-in-not-configured': text(
    409,
    ['No identity provider', 'This organization does not use sign-in; nothing is to be done.'],
    [
      "Pas de fournisseur d'identité",
      "Cette organisation n'utilise pas la connexion ; il n'y a rien à faire.",
    ],
  ),
  'pseudonyms-off': text(
    409,
    [
      'Records have names',
      'This organization does not use pseudonyms in records (`flows.pseudonyms` in postern.yaml); nothing is to be done.',
    ],
    [
      'Les enregistrements portent les noms',
      "Cette organisation n'utilise pas de pseudonymes dans les enregistrements (`flows.pseudonyms` dans postern.yaml) ; il n'y a rien à faire.",
    ],
  ),
  'administrator-device-code-off': text(
    403,
    [
      'Sign-in by a code is off for administration',
      'Sign in with `postern login` on a machine with a browser, or allow codes with `signIn.administratorDeviceCode: true` in postern.yaml.',
    ],
    [
      "Connexion par code désactivée pour l'administration",
      'Connectez-vous avec `postern login` sur une machine avec un navigateur, ou autorisez les codes par `signIn.administratorDeviceCode: true` dans postern.yaml.',
    ],
  ),
  'sign-in-expired': text(
    403,
    ['Sign-in took too long', signInAgain.en],
    ['Connexion trop lente', signInAgain.fr],
  ),
  'sign-in-used': text(
    403,
    ['Sign-in used already', signInAgain.en],
    ['Connexion déjà utilisée', signInAgain.fr],
  ),
  'sign-in-unknown': text(
    403,
    ['Not a sign-in of this device', signInAgain.en],
    ['Pas une connexion de cet appareil', signInAgain.fr],
  ),
  'sign-in-state-mismatch': text(
    403,
    ['Answer to another sign-in', signInAgain.en],
    ['Réponse à une autre connexion', signInAgain.fr],
  ),
  'sign-in-nonce-mismatch': text(
    403,
    ['Proof of another sign-in', signInAgain.en],
    ["Preuve d'une autre connexion", signInAgain.fr],
  ),
  'sign-in-code-invalid': text(
    403,
    ['Sign-in code used, expired or unknown', signInAgain.en],
    ['Code de connexion utilisé, expiré ou inconnu', signInAgain.fr],
  ),
  'sign-in-denied': text(
    403,
    [
      'Sign-in declined',
      'The identity provider says that the sign-in was declined. Try again, or ask your help desk.',
    ],
    [
      'Connexion refusée',
      "Le fournisseur d'identité indique que la connexion a été refusée. Réessayez, ou demandez à votre assistance.",
    ],
  ),
  'sign-in-wrong-user': text(
    403,
    [
      'Another user than the one who enrolled this laptop',
      'Sign out at the identity provider, then sign in as the user who enrolled this laptop.',
    ],
    [
      "Un autre utilisateur que celui qui a enrôlé l'ordinateur",
      "Déconnectez-vous du fournisseur d'identité, puis connectez-vous comme l'utilisateur qui a enrôlé l'ordinateur.",
    ],
  ),
  'sign-in-user-missing': text(
    403,
    ['The identity provider did not name the user', tellSecurity.en],
    ["Le fournisseur d'identité n'a pas nommé l'utilisateur", tellSecurity.fr],
  ),
  'sign-in-user-unverified': text(
    403,
    ['Email address not verified', 'Verify your email address at the identity provider, then sign in again.'],
    [
      'Adresse électronique non vérifiée',
      "Vérifiez votre adresse auprès du fournisseur d'identité, puis connectez-vous de nouveau.",
    ],
  ),
  'sign-in-claims-too-large': text(
    403,
    [
      'Too many groups',
      'Let the identity provider send only the groups that are assigned to this application.',
    ],
    [
      'Trop de groupes',
      "Faites envoyer par le fournisseur d'identité les seuls groupes affectés à cette application.",
    ],
  ),
  'id-token-invalid': text(
    403,
    ['Proof of the identity provider not valid', tellSecurity.en],
    ["Preuve du fournisseur d'identité non valable", tellSecurity.fr],
  ),
  'sign-in-unavailable': text(
    503,
    [
      'Who is signed in cannot be asked',
      'The control plane is being restarted. Wait a moment and try again.',
    ],
    [
      'Impossible de vérifier la connexion',
      'Le plan de contrôle redémarre. Patientez un instant et réessayez.',
    ],
  ),
  'cross-site-request': text(
    403,
    ['Request of another site', 'Open the application by its own address, and repeat what you did there.'],
    [
      "Requête d'un autre site",
      "Ouvrez l'application par sa propre adresse, et recommencez ce que vous faisiez.",
    ],
  ),
  'administrator-token-invalid': text(
    401,
    ['Sign-in of an administrator over or not valid', 'Sign in again with `postern login`.'],
    ["Connexion d'administration terminée ou non valable", 'Reconnectez-vous avec `postern login`.'],
  ),
  'logout-token-invalid': text(
    400,
    [
      'Logout token not valid',
      'Nobody was signed out. Check which client the identity provider sends it for.',
    ],
    [
      'Jeton de déconnexion non valable',
      "Personne n'a été déconnecté. Vérifiez pour quel client le fournisseur d'identité l'envoie.",
    ],
  ),
  'logout-token-used': text(
    400,
    ['Logout token used already', 'What it ended has ended; nothing more was done.'],
    ['Jeton de déconnexion déjà utilisé', "Ce qu'il terminait est terminé ; rien d'autre n'a été fait."],
  ),
  'identity-provider-unavailable': text(
    503,
    ['Identity provider does not answer', 'Who is signed in stays so. Wait a moment and sign in again.'],
    [
      "Le fournisseur d'identité ne répond pas",
      'Les sessions ouvertes le restent. Patientez un instant et reconnectez-vous.',
    ],
  ),
  'identity-provider-misconfigured': text(
    503,
    [
      'Identity provider refuses this control plane',
      'Check `signIn` in postern.yaml: client, secret, issuer.',
    ],
    [
      "Le fournisseur d'identité refuse ce plan de contrôle",
      'Vérifiez `signIn` dans postern.yaml : client, secret, émetteur.',
    ],
  ),

  // Decision.
  denied: text(
    403,
    ['Access denied', 'No policy allows this. Ask the security team, with the flow id.'],
    [
      'Accès refusé',
      "Aucune politique ne l'autorise. Demandez à l'équipe sécurité, avec l'identifiant de flux.",
    ],
  ),
  'mfa-required': text(
    401,
    [
      'Sign in with a second factor',
      'This application asks for a sign-in with more than a password. Sign in with `postern-agent login --mfa`, unless the agent has opened the browser by itself; then repeat what you did.',
    ],
    [
      'Connectez-vous avec un second facteur',
      "Cette application demande plus qu'un mot de passe. Connectez-vous avec `postern-agent login --mfa`, si l'agent n'a pas ouvert le navigateur de lui-même ; puis recommencez.",
    ],
  ),
  'device-quarantined': text(
    403,
    [
      'Device in quarantine',
      'Only what is open to devices in quarantine can be reached, such as a help desk. Give the flow id to the security team.',
    ],
    [
      'Appareil en quarantaine',
      "Seul ce qui est ouvert aux appareils en quarantaine est accessible, comme l'assistance. Donnez l'identifiant de flux à l'équipe sécurité.",
    ],
  ),
  'posture-awaited': text(
    403,
    ['First posture report awaited', 'Start the agent with `postern-agent up`; it reports at once.'],
    ['Premier état de sécurité attendu', "Lancez l'agent avec `postern-agent up` ; il l'envoie aussitôt."],
  ),
  'grant-ended': text(
    403,
    ['Access ended', 'What allowed this flow no longer does. Try again, or ask the security team.'],
    [
      'Accès terminé',
      "Ce qui autorisait ce flux ne l'autorise plus. Réessayez, ou demandez à l'équipe sécurité.",
    ],
  ),
  'not-ready': text(
    503,
    [
      'Gateway not ready',
      'It has no policies or keys yet, or no room to record what passes, and lets nothing through. Wait a moment; if it stays so, tell the security team.',
    ],
    [
      'Passerelle pas prête',
      "Elle n'a pas encore de politiques ni de clés, ou n'a plus de place pour enregistrer ce qui passe, et ne laisse rien passer. Patientez un instant ; si cela dure, prévenez l'équipe sécurité.",
    ],
  ),

  // Application.
  'application-unknown': text(
    404,
    ['No such application', 'Check the name in the address.'],
    ["Pas d'application de ce nom", "Vérifiez le nom dans l'adresse."],
  ),
  'port-unknown': text(
    404,
    ['The application has no such port', 'Check the port.'],
    ["L'application n'a pas ce port", 'Vérifiez le port.'],
  ),
  'protocol-mismatch': text(
    400,
    ['Wrong protocol for this application', 'Reach it by the protocol that it was published with.'],
    ['Mauvais protocole pour cette application', 'Utilisez le protocole avec lequel elle est publiée.'],
  ),
  'protocol-unexpected': text(
    403,
    [
      'Not what this application speaks',
      'The first bytes in the tunnel were of another protocol, or for another server name, so it was closed. Use a program that is made for this application; if it is, give the flow id to the security team.',
    ],
    [
      "Ce n'est pas ce que parle cette application",
      "Les premiers octets du tunnel étaient d'un autre protocole, ou pour un autre nom de serveur ; il a été fermé. Utilisez un programme fait pour cette application ; si c'est le cas, donnez l'identifiant de flux à l'équipe sécurité.",
    ],
  ),
  'request-suspicious': text(
    403,
    [
      'Request looks like an attack',
      'Something in it is how applications are attacked. If it belongs to your work, tell the security team the flow number.',
    ],
    [
      'La requête ressemble à une attaque',
      "Son contenu ressemble à ce qui sert à attaquer des applications. S'il fait partie de votre travail, donnez le numéro de flux à l'équipe sécurité.",
    ],
  ),
  'malware-found': text(
    403,
    [
      'Malware found',
      'The scanner found malware in what was sent or fetched, and it was stopped. Do not try again; give the flow number to the security team.',
    ],
    [
      'Logiciel malveillant détecté',
      "L'analyse a détecté un logiciel malveillant dans ce qui était envoyé ou téléchargé ; le transfert a été arrêté. Ne réessayez pas ; donnez le numéro de flux à l'équipe sécurité.",
    ],
  ),
  'content-unscannable': text(
    403,
    [
      'Content cannot be scanned',
      'This application lets nothing pass that was not scanned for malware, and this is too large, packed in a way that is not undone, a part of something, or without an end. The security team can allow it.',
    ],
    [
      'Contenu impossible à analyser',
      "Cette application ne laisse passer que ce qui a été analysé, et ce contenu est trop volumineux, compressé d'une façon non prise en charge, partiel ou sans fin. L'équipe sécurité peut l'autoriser.",
    ],
  ),
  'data-loss': text(
    403,
    [
      'Too much protected data at once',
      'What was sent or fetched holds more account numbers, cards, social security numbers, addresses or other protected data than this application lets pass at once, so it was stopped. If it belongs to your work, give the flow id to the security team.',
    ],
    [
      'Trop de données protégées à la fois',
      "Ce contenu comporte plus de numéros de compte, de carte ou de sécurité sociale, d'adresses ou d'autres données protégées que cette application n'en laisse passer à la fois ; le transfert a été arrêté. S'il fait partie de votre travail, donnez l'identifiant de flux à l'équipe sécurité.",
    ],
  ),
  'inspection-unavailable': text(
    503,
    [
      'Inspection not available',
      'This application is to be inspected and the inspection is not running, so nothing passes. Tell the security team.',
    ],
    [
      'Inspection indisponible',
      "Cette application doit être inspectée et l'inspection ne fonctionne pas ; rien ne passe. Prévenez l'équipe sécurité.",
    ],
  ),

  // Requests that two parsers could read two ways, or that are too large or too slow.
  'bad-request': text(400, ['Malformed request', clientHelp.en], ['Requête mal formée', clientHelp.fr]),
  'authority-mismatch': text(
    400,
    ['Server name and authority disagree', clientHelp.en],
    ["Le nom de serveur et l'autorité diffèrent", clientHelp.fr],
  ),
  'header-name': text(
    400,
    ['Header name not allowed', clientHelp.en],
    ["Nom d'en-tête interdit", clientHelp.fr],
  ),
  'header-duplicate': text(400, ['Header given twice', clientHelp.en], ['En-tête en double', clientHelp.fr]),
  'content-type-malformed': text(
    400,
    ['Malformed Content-Type', clientHelp.en],
    ['Content-Type mal formé', clientHelp.fr],
  ),
  'path-ambiguous': text(400, ['Ambiguous path', clientHelp.en], ['Chemin ambigu', clientHelp.fr]),
  'request-timeout': text(
    408,
    ['Request too slow', 'The request did not arrive in time. Try again.'],
    ['Requête trop lente', "La requête n'est pas arrivée à temps. Réessayez."],
  ),
  'content-too-large': text(
    413,
    ['Request too large', 'Send less at once.'],
    ['Requête trop volumineuse', 'Envoyez moins à la fois.'],
  ),
  'uri-too-long': text(
    414,
    ['Address too long', 'Shorten the address.'],
    ['Adresse trop longue', "Raccourcissez l'adresse."],
  ),
  'headers-too-large': text(
    431,
    ['Headers too large', 'Clear the cookies of this site and try again.'],
    ['En-têtes trop volumineux', 'Effacez les cookies de ce site et réessayez.'],
  ),
  'method-not-allowed': text(
    405,
    ['Method not allowed', 'Use another method.'],
    ['Méthode interdite', 'Utilisez une autre méthode.'],
  ),

  // Upstream.
  'upstream-unreachable': text(
    502,
    ['Application does not answer', tellOwner.en],
    ["L'application ne répond pas", tellOwner.fr],
  ),
  'upstream-reset': text(
    502,
    ['Application closed the connection', tellOwner.en],
    ["L'application a coupé la connexion", tellOwner.fr],
  ),
  'upstream-malformed': text(
    502,
    ['Application answered garbage', tellOwner.en],
    ["L'application a répondu n'importe quoi", tellOwner.fr],
  ),
  'upstream-untrusted': text(
    502,
    ["Application's certificate not trusted", tellOwner.en],
    ["Certificat de l'application non reconnu", tellOwner.fr],
  ),
  'upstream-timeout': text(
    504,
    ['Application too slow', tellOwner.en],
    ["L'application est trop lente", tellOwner.fr],
  ),
  'connector-unavailable': text(
    503,
    [
      'No way into the private network',
      'The connector of this network is not running; it is being restarted. Try again in a moment.',
    ],
    [
      "Pas d'accès au réseau privé",
      'Le connecteur de ce réseau ne fonctionne pas ; il redémarre. Réessayez dans un instant.',
    ],
  ),
  'isolation-breach': text(
    502,
    ['Connection from the wrong network', tellSecurity.en],
    ["Connexion venue d'un autre réseau", tellSecurity.fr],
  ),
  'shutting-down': text(
    503,
    ['Gateway shutting down', 'The agent reconnects by itself.'],
    ["Passerelle en cours d'arrêt", "L'agent se reconnecte de lui-même."],
  ),

  // Control plane.
  'api-key-invalid': text(
    401,
    ['API key missing or not valid', 'Give a valid key with --api-key or POSTERN_API_KEY.'],
    ["Clé d'API absente ou non valable", 'Donnez une clé valable avec --api-key ou POSTERN_API_KEY.'],
  ),
  'api-key-expired': text(
    401,
    ['API key expired', 'Ask an owner for a new one: `postern api-key create`.'],
    ["Clé d'API expirée", 'Demandez-en une nouvelle à un propriétaire : `postern api-key create`.'],
  ),
  'role-missing': text(
    403,
    ['Not for your role', 'Ask someone who has one of the roles that may do this.'],
    ['Pas permis à votre rôle', "Demandez à une personne qui a l'un des rôles qui le permettent."],
  ),
  'scope-missing': text(
    403,
    ['Not among the scopes of this API key', 'Use a key with that scope, or ask an owner for one.'],
    [
      "Hors de la portée de cette clé d'API",
      'Utilisez une clé qui a cette portée, ou demandez-en une à un propriétaire.',
    ],
  ),
  'key-outlives-maker': text(
    403,
    [
      'A key would outlive the key that makes it',
      'Give it an earlier end (`--ttl`), or make it with a key that lasts longer, or signed in.',
    ],
    [
      'La clé survivrait à celle qui la crée',
      'Donnez-lui une fin plus proche (`--ttl`), ou créez-la avec une clé qui dure plus longtemps, ou une fois connecté.',
    ],
  ),
  'name-taken': text(
    409,
    ['Name taken', 'Choose another: the ledger says by this name who did what, so none is used twice.'],
    [
      'Nom déjà pris',
      'Choisissez-en un autre : le registre dit par ce nom qui a fait quoi, aucun ne sert donc deux fois.',
    ],
  ),
  'last-owner': text(
    409,
    ['Last owner', 'Make another owner first; without one, nobody could administer any more.'],
    [
      'Dernier propriétaire',
      "Créez d'abord un autre propriétaire ; sans lui, plus personne ne pourrait administrer.",
    ],
  ),
  'enrollment-token-invalid': text(
    403,
    ['Enrollment token not valid', 'It was used, has expired, or was never made. Ask for a new one.'],
    [
      "Jeton d'enrôlement non valable",
      "Il a déjà servi, a expiré ou n'a jamais existé. Demandez-en un nouveau.",
    ],
  ),
  'certificate-request-invalid': text(
    400,
    ['Certificate request not valid', 'It must be signed by its own P-256 key.'],
    ['Demande de certificat non valable', 'Elle doit être signée par sa propre clé P-256.'],
  ),
  'managed-devices-off': text(
    404,
    [
      'No devices under a device management here',
      'Run `postern managed-devices init`, and say `managedDevices: true` in the settings of the server.',
    ],
    [
      'Aucun appareil géré par un MDM ici',
      'Lancez `postern managed-devices init`, puis mettez `managedDevices: true` dans les réglages du serveur.',
    ],
  ),
  'scep-off': text(
    404,
    ['No SCEP here', 'Say `managedDevices: true` and `scep: true` in the settings of the server.'],
    ['Pas de SCEP ici', 'Mettez `managedDevices: true` et `scep: true` dans les réglages du serveur.'],
  ),
  'scep-message-invalid': text(
    400,
    [
      'Not a SCEP message that is taken here',
      'It must be a signed PKCSReq or RenewalReq (RFC 8894), with AES and SHA-256.',
    ],
    [
      "Ce n'est pas un message SCEP accepté ici",
      'Il faut un PKCSReq ou RenewalReq signé (RFC 8894), avec AES et SHA-256.',
    ],
  ),
  'renewal-too-late': text(
    403,
    ['Certificate expired too long ago to be renewed', enrollAgain.en],
    ['Certificat expiré depuis trop longtemps pour être renouvelé', enrollAgain.fr],
  ),
  'renewal-key-differs': text(
    400,
    ['Renewal for another key', 'An expired certificate is renewed for its own key only.'],
    ['Renouvellement pour une autre clé', 'Un certificat expiré ne se renouvelle que pour sa propre clé.'],
  ),
  'renewal-elsewhere': text(
    403,
    [
      'Renewed in another way',
      'A device under a device management renews by SCEP (RenewalReq) or takes a new PKCS#12 bundle; all others renew by `postern-agent up`.',
    ],
    [
      "Se renouvelle d'une autre façon",
      'Un appareil géré par une MDM se renouvelle par SCEP (RenewalReq) ou reçoit un nouveau fichier PKCS#12 ; tous les autres par `postern-agent up`.',
    ],
  ),
  'invalid-input': text(
    400,
    ['Input not valid', 'See the list of problems; nothing was changed.'],
    ['Données non valables', "Voyez la liste des problèmes ; rien n'a été changé."],
  ),
  'not-found': text(
    404,
    ['Not found', 'Check the kind and the name.'],
    ['Introuvable', 'Vérifiez le type et le nom.'],
  ),
  conflict: text(
    409,
    ['Changed by someone else meanwhile', 'Read it again and repeat.'],
    ["Modifié entre-temps par quelqu'un d'autre", 'Relisez et recommencez.'],
  ),
  'own-proposal': text(
    403,
    [
      'A second person is needed',
      'Nobody approves what they proposed, with whatever key or sign-in: ask another person who administers.',
    ],
    [
      'Une seconde personne est nécessaire',
      "Personne n'approuve ce qu'il a proposé, quelle que soit la clé ou la connexion : demandez à une autre personne qui administre.",
    ],
  ),
  'person-unknown': text(
    403,
    [
      'It is not known which person this is',
      'A change that takes two people is proposed and approved by people: sign in (`postern login`), or take an API key that someone made who had signed in.',
    ],
    [
      "On ne sait pas de quelle personne il s'agit",
      "Une modification qui demande deux personnes est proposée et approuvée par des personnes : connectez-vous (`postern login`), ou prenez une clé d'API créée par quelqu'un qui s'était connecté.",
    ],
  ),
  'proposal-stale': text(
    409,
    [
      'What it would change is not as it was',
      'Look at what there is now (`postern policy diff`), and propose the change anew.',
    ],
    [
      "Ce qu'il changerait n'est plus comme avant",
      "Regardez l'état actuel (`postern policy diff`), puis proposez de nouveau le changement.",
    ],
  ),
  'in-use': text(
    409,
    ['Still in use', 'Delete what refers to it first.'],
    ['Encore utilisé', "Supprimez d'abord ce qui s'y réfère."],
  ),
  'state-final': text(
    409,
    ['State is final', 'A revoked or lost device stays so; enroll it anew.'],
    ['État définitif', 'Un appareil révoqué ou perdu le reste ; enrôlez-le de nouveau.'],
  ),
  'precondition-failed': text(
    412,
    ['Changed since it was read', 'Nothing was done. Read it again, and decide anew.'],
    ['Modifié depuis sa lecture', "Rien n'a été fait. Relisez, puis décidez de nouveau."],
  ),
  'idempotency-key-reused': text(
    422,
    ['Idempotency key used for another request', 'Nothing was done. Make a new key for each new request.'],
    [
      "Clé d'idempotence déjà utilisée pour une autre requête",
      "Rien n'a été fait. Créez une clé pour chaque nouvelle requête.",
    ],
  ),
  'request-in-progress': text(
    409,
    ['The same request is being worked on', 'Ask again in a moment, with the same idempotency key.'],
    ['La même requête est en cours', "Redemandez dans un instant, avec la même clé d'idempotence."],
  ),
  'rate-limited': text(
    429,
    ['Too many attempts', 'Wait a minute and try again.'],
    ['Trop de tentatives', 'Attendez une minute et réessayez.'],
  ),
  'gateway-unreachable': text(
    502,
    [
      'Gateway does not answer',
      'Look whether it runs, and whether its operator address in `control.gateways` is right.',
    ],
    [
      'La passerelle ne répond pas',
      "Vérifiez qu'elle fonctionne et que son adresse d'exploitation dans `control.gateways` est juste.",
    ],
  ),
  'search-overrun': text(
    503,
    [
      'The search takes too long',
      'Ask for a shorter time, or name a device, a user or an application. Records that are not archived yet are slow to search: see docs/flow-search.md.',
    ],
    [
      'La recherche prend trop de temps',
      "Demandez une période plus courte, ou nommez un appareil, un utilisateur ou une application. Ce qui n'est pas encore archivé est lent à parcourir : voir docs/flow-search.md.",
    ],
  ),
  'too-many-followers': text(
    429,
    [
      'Too many follow flow records',
      'End another `postern flows tail`, or wait until somebody does. Past records can be searched meanwhile.',
    ],
    [
      'Trop de suivis des flux en cours',
      "Arrêtez un autre `postern flows tail`, ou attendez que quelqu'un le fasse. La recherche reste possible.",
    ],
  ),
  'search-unavailable': text(
    503,
    [
      'Flow records cannot be searched',
      'The log of the control plane says why. The records themselves are not touched by it.',
    ],
    [
      'Les flux enregistrés ne peuvent pas être parcourus',
      "Le journal du plan de contrôle dit pourquoi. Les enregistrements eux-mêmes n'en souffrent pas.",
    ],
  ),
  'access-log-unavailable': text(
    503,
    [
      'Access log not available',
      'Nothing about people is shown that cannot be recorded. Look at the disk of the control plane.',
    ],
    [
      "Journal d'accès indisponible",
      "Rien de personnel n'est montré sans être consigné. Regardez le disque du plan de contrôle.",
    ],
  ),
  'change-unconfirmed': text(
    503,
    [
      'Made, but not confirmed as was asked',
      'The change is made: do not make it again. Too few copies of it are known of, so a failover could lose it; look at the Redis of the control plane.',
    ],
    [
      'Fait, mais sans la confirmation demandée',
      'Le changement est fait : ne le refaites pas. Trop peu de copies en sont connues, et une bascule pourrait le perdre ; regardez le Redis du plan de contrôle.',
    ],
  ),
  'change-unknown': text(
    503,
    [
      'Not known whether it was made',
      'The control plane was cut off in the middle of the change. Look whether it was made before you make it anew.',
    ],
    [
      "On ne sait pas si c'est fait",
      "Le plan de contrôle a été coupé au milieu du changement. Regardez s'il a été fait avant de le refaire.",
    ],
  ),
  'store-unavailable': text(
    503,
    ['Ledger not available', 'Nothing was changed. Look at the disk of the control plane, or at its Redis.'],
    ['Registre indisponible', "Rien n'a été changé. Regardez le disque du plan de contrôle, ou son Redis."],
  ),
  'internal-error': text(500, ['Internal error', tellSecurity.en], ['Erreur interne', tellSecurity.fr]),
} as const satisfies Record<string, RefusalText>;

export type RefusalCode = keyof typeof refusals;

/** A refusal is a value: what the peer is told by code, and what only the log and the record learn. */
export interface Refusal {
  readonly code: RefusalCode;
  /** For log and record; never a secret. */
  readonly detail?: string;
  /** Of `sign-in-required` and `mfa-required`: how old a sign-in may be, where there is a bound (RFC 9470). */
  readonly maxAgeSeconds?: number;
}

export const refuse = (code: RefusalCode, detail?: string): Refusal =>
  detail === undefined ? { code } : { code, detail };

/** RFC 9457 problem details with our members `code`, `flow_id` and `help`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: RefusalCode;
  readonly help: string;
  readonly flow_id?: string;
  readonly detail?: string;
}

/** The problem details of a refusal. `detail` is only for what the peer may know, such as which field was wrong. */
export function buildProblem(
  code: RefusalCode,
  language: 'en' | 'fr' = 'en',
  more: { flowId?: string; detail?: string } = {},
): Problem {
  const refusal: RefusalText = refusals[code];
  return {
    type: `urn:postern:refusal:${code}`,
    title: refusal.title[language],
    status: refusal.status,
    code,
    help: refusal.help[language],
    ...(more.flowId === undefined ? {} : { flow_id: more.flowId }),
    ...(more.detail === undefined ? {} : { detail: more.detail }),
  };
}
