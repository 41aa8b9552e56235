/** One directive of a rule file (SecRule, SecAction, SecMarker …) with its arguments, quotes taken off. */
export interface Directive {
  readonly name: string;
  readonly arguments: readonly string[];
}

/** Reads the language that ModSecurity's rules are written in, as far as its lines and quotes go. */
export function readDirectives(text: string): Directive[] {
  const directives: Directive[] = [];
  let pending = '';
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    if (pending === '' && (line === '' || line.startsWith('#'))) continue;
    if (line.endsWith('\\')) {
      pending += line.slice(0, -1);
      continue;
    }
    const [name, ...words] = splitWords(pending + line);
    pending = '';
    if (name !== undefined) directives.push({ name, arguments: words });
  }
  return directives;
}

/** Only a quote and what escapes one is taken away: a backslash before anything else belongs to a pattern. */
function splitWords(line: string): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < line.length) {
    const character = line[at] ?? '';
    if (/\s/.test(character)) {
      at += 1;
      continue;
    }
    const quote = character === '"' || character === "'" ? character : undefined;
    let end = quote === undefined ? at : at + 1;
    const start = end;
    while (end < line.length) {
      const here = line[end] ?? '';
      if (quote === undefined ? /\s/.test(here) : here === quote) break;
      end += here === '\\' && quote !== undefined ? 2 : 1;
    }
    const word = line.slice(start, end);
    words.push(quote === undefined ? word : word.replaceAll(`\\${quote}`, quote));
    at = end + 1;
  }
  return words;
}

/**
 * Splits at a separator that stands in no quotes and, where asked for, in no `/pattern/` behind a colon.
 * `/*` and `//@*` behind `XML:` are no patterns.
 */
export function splitOutside(text: string, separator: string, hasPatterns: boolean): string[] {
  const parts: string[] = [];
  let part = '';
  let inside = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (character === '\\' && inside !== '') {
      part += character + (text[at + 1] ?? '');
      at += 1;
      continue;
    }
    const opens = character === "'" || (character === '/' && hasPatterns && /^(?!.*XML:$).*:$/i.test(part));
    if (inside !== '') {
      if (character === inside) inside = '';
    } else if (opens) inside = character;
    else if (character === separator) {
      parts.push(part);
      part = '';
      continue;
    }
    part += character;
  }
  parts.push(part);
  return parts.map((each) => each.trim()).filter((each) => each !== '');
}
