export type Language = 'en' | 'fr';

/** The language of messages, as POSIX orders the variables: LC_ALL, LC_MESSAGES, LANG. English for all but French. */
export function languageOf(environment: Readonly<Record<string, string | undefined>>): Language {
  const named = [environment['LC_ALL'], environment['LC_MESSAGES'], environment['LANG']];
  const first = named.find((value) => value !== undefined && value !== '') ?? '';
  return /^fr([_.@-]|$)/i.test(first) ? 'fr' : 'en';
}

/** The first of our languages that Accept-Language names; whoever names none is spoken to as the laptop is. */
export function languageWished(acceptLanguage: string | undefined, otherwise: Language): Language {
  const [, first] = /\b(fr|en)\b/i.exec((acceptLanguage ?? '').slice(0, 256)) ?? [];
  return first === undefined ? otherwise : first.toLowerCase() === 'fr' ? 'fr' : 'en';
}
